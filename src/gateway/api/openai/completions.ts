import {
  type AnswerEnd,
  type AnswerStart,
  event,
  modelName,
  type ResponseEncoder,
  sse,
  trustFields,
} from '../../answer/response-encoder.ts';
import { badField, unsupported } from '../../problem.ts';
import {
  type CompletionRequest,
  maxTokensRange,
  type RequestDefaults,
  rawInput,
  readExtension,
  readModel,
  readSampler,
  readSeed,
  readStops,
} from '../completion-request.ts';
import { Fields } from '../fields.ts';
import { openaiFinish, openaiUsage, readIncludeUsage } from './chat.ts';
import { openaiError } from './error.ts';
import { completionLogprobs } from './logprobs.ts';

const neutrals = {
  n: [1],
  best_of: [1],
  top_p: [1],
  frequency_penalty: [0],
  presence_penalty: [0],
  logit_bias: [{}],
  echo: [false],
  suffix: [''],
} as const;

function readPrompt(fields: Fields): string {
  const raw = fields.raw('prompt');
  if (Array.isArray(raw)) {
    const [only] = raw as readonly unknown[];
    if (raw.length === 1 && typeof only === 'string' && only.isWellFormed()) return only;
    throw unsupported('prompt', raw.every((item) => typeof item === 'string') ? 'with several texts' : 'as token ids');
  }
  const prompt = fields.text('prompt');
  if (prompt === undefined) throw badField('prompt', 'prompt: expected text');
  return prompt;
}

/** Reads `POST /v1/completions`: the model continues a text, without its chat template. @throws Problem */
export function openaiCompletions(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const model = readModel(fields, defaults);
  const input = rawInput(readPrompt(fields));
  const sampler = readSampler(fields, defaults, fields.whole('max_tokens', ...maxTokensRange));
  const topLogprobs = fields.whole('logprobs', 0, 20) ?? null;
  const stream = fields.flag('stream') ?? false;
  const includeUsage = readIncludeUsage(fields);
  const request: CompletionRequest = {
    inference: {
      input,
      model,
      sampler,
      seed: readSeed(fields),
      timeoutMs: defaults.timeoutMs,
      logits: topLogprobs !== null,
      ...readExtension(fields, defaults),
    },
    stream,
    stops: readStops(fields, 'stop'),
    topLogprobs,
  };
  fields.neutral(neutrals);
  fields.ignored('user');
  fields.done();
  return { request, encoder: completionEncoder(includeUsage, topLogprobs) };
}

function completionEncoder(includeUsage: boolean, topLogprobs: number | null): ResponseEncoder {
  const chunk = (start: AnswerStart, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(start), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (text: string, finish: string | null, logprobs: unknown = null) => ({
    index: 0,
    text,
    logprobs,
    finish_reason: finish,
  });
  const logprobsOf = ({ steps }: AnswerEnd): unknown =>
    topLogprobs === null || steps === null ? null : completionLogprobs(steps, topLogprobs);
  return {
    streamType: sse,
    start: () => '',
    delta: (start, text) => chunk(start, [choice(text, null)]),
    end: (end) => {
      const last = choice('', openaiFinish(end), logprobsOf(end));
      if (!includeUsage) return `${chunk(end, [last], trustFields(end))}data: [DONE]\n\n`;
      return `${chunk(end, [last])}${chunk(end, [], { usage: openaiUsage(end), ...trustFields(end) })}data: [DONE]\n\n`;
    },
    error: (problem) => event(openaiError(problem)),
    body: (end) => ({
      ...head(end),
      choices: [choice(end.text, openaiFinish(end), logprobsOf(end))],
      usage: openaiUsage(end),
    }),
  };
}

function head(start: AnswerStart) {
  return {
    id: `cmpl-${start.id}`,
    object: 'text_completion',
    created: Math.floor(start.askedAt / 1_000),
    model: modelName(start.source),
  };
}
