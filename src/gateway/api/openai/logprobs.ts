import type { AnswerSteps } from '../../answer/inference-client.ts';

/** Sent with every list of log-probabilities. */
const notes: Readonly<Record<AnswerSteps['from'], string>> = {
  recomputed: 'recomputed by this gateway, normalised over the 20 likeliest tokens',
  opened: 'as the provider committed them, normalised over its candidates; this gateway knows the ids of tokens only',
};

interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
}

interface StepLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/** The value that OpenAI uses for a probability too small to represent. */
const least = -9999;

/** Log-probabilities of `logits`: a softmax at temperature 1 over these logits alone. */
function logprobsOf(logits: readonly number[]): readonly number[] {
  const most = Math.max(...logits);
  const sum = logits.reduce((total, value) => total + Math.exp(value - most), 0);
  return logits.map((value) => value - most - Math.log(sum));
}

/** The log-probabilities of every step. A token whose text is not known is named by its id, as vLLM does it. */
function stepLogprobs({ steps, bytesOf }: AnswerSteps): readonly StepLogprobs[] {
  const described = (id: number, logprob: number): TokenLogprob => {
    if (bytesOf === null) return { token: `token_id:${id}`, logprob, bytes: null };
    const bytes = bytesOf(id);
    // A token may be part of a character, so its text can be a replacement character; the bytes are exact.
    return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
  };
  return steps.map(({ token, ids, logits }) => {
    const logprobs = logprobsOf(logits);
    const top = ids.map((id, at) => described(id, logprobs[at] ?? least)).toSorted((a, b) => b.logprob - a.logprob);
    return { ...described(token, logprobs[ids.indexOf(token)] ?? least), top };
  });
}

/** `choices[].logprobs` of a chat completion. */
export function chatLogprobs(steps: AnswerSteps, count: number): object {
  const content = stepLogprobs(steps).map((step) => {
    const { top, ...own } = step;
    return { ...own, top_logprobs: top.slice(0, count) };
  });
  return { content, refusal: null, note: notes[steps.from] };
}

/** `choices[].logprobs` of a completion. */
export function completionLogprobs(steps: AnswerSteps, count: number): object {
  const all = stepLogprobs(steps);
  let offset = 0;
  const offsets = all.map(({ token }) => {
    const at = offset;
    offset += token.length;
    return at;
  });
  return {
    tokens: all.map(({ token }) => token),
    token_logprobs: all.map(({ logprob }) => logprob),
    top_logprobs: all.map(({ top }) =>
      Object.fromEntries(top.slice(0, count).map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: steps.bytesOf === null ? null : offsets,
    note: notes[steps.from],
  };
}
