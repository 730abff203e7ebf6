import type { RecomputedStep } from '../../answer/inference-client.ts';

/** Sent with every list of log-probabilities. */
const logprobsNote = 'recomputed by this gateway, normalised over the 20 likeliest tokens';

interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** The value that OpenAI uses for a probability too small to represent. */
const least = -9999;

/** Log-probabilities of `logits`: a softmax at temperature 1 over these logits alone. */
function logprobsOf(logits: ArrayLike<number>): readonly number[] {
  const values = Array.from(logits);
  const most = Math.max(...values);
  const sum = values.reduce((total, value) => total + Math.exp(value - most), 0);
  return values.map((value) => value - most - Math.log(sum));
}

function described(bytes: Uint8Array, logprob: number): TokenLogprob {
  // A token may be part of a character, so its text can be a replacement character; the bytes are exact.
  return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
}

interface StepLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

function stepLogprobs({ token, bytes, top, topBytes }: RecomputedStep): StepLogprobs {
  const logprobs = logprobsOf(top.logits);
  const all = logprobs.map((logprob, at) => ({
    id: top.ids[at],
    ...described(topBytes[at] ?? new Uint8Array(), logprob),
  }));
  const own = all.find(({ id }) => id === token);
  return {
    ...described(bytes, own?.logprob ?? least),
    top: all.toSorted((a, b) => b.logprob - a.logprob).map(({ id: _id, ...rest }) => rest),
  };
}

/** `choices[].logprobs` of a chat completion. */
export function chatLogprobs(steps: readonly RecomputedStep[], count: number): object {
  const content = steps.map((step) => {
    const { top, ...own } = stepLogprobs(step);
    return { ...own, top_logprobs: top.slice(0, count) };
  });
  return { content, refusal: null, note: logprobsNote };
}

/** `choices[].logprobs` of a completion. */
export function completionLogprobs(steps: readonly RecomputedStep[], count: number): object {
  const all = steps.map((step) => stepLogprobs(step));
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
    text_offset: offsets,
    note: logprobsNote,
  };
}
