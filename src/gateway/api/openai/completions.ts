import { type Begun, type Ended, event, modelName, type Shape, sse, trustFields } from '../../answer/shape.ts';
import { badField, unsupported } from '../../problem.ts';
import { Fields } from '../fields.ts';
import {
  type Defaults,
  maxTokensRange,
  rawInput,
  readExtension,
  readModel,
  readSampler,
  readSeed,
  readStops,
  type Wanted,
} from '../wanted.ts';
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

/** `POST /v1/completions`: the model goes on with a text, without its chat template. @throws Problem */
export function openaiCompletions(
  body: unknown,
  defaults: Defaults,
): { readonly wanted: Wanted; readonly shape: Shape } {
  const fields = new Fields(body);
  const model = readModel(fields, defaults);
  const input = rawInput(readPrompt(fields));
  const sampler = readSampler(fields, defaults, fields.whole('max_tokens', ...maxTokensRange));
  const topLogprobs = fields.whole('logprobs', 0, 20) ?? null;
  const stream = fields.flag('stream') ?? false;
  const includeUsage = readIncludeUsage(fields);
  const wanted: Wanted = {
    question: {
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
  return { wanted, shape: completionShape(includeUsage, topLogprobs) };
}

function completionShape(includeUsage: boolean, topLogprobs: number | null): Shape {
  const chunk = (begun: Begun, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(begun), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (text: string, finish: string | null, logprobs: unknown = null) => ({
    index: 0,
    text,
    logprobs,
    finish_reason: finish,
  });
  const logprobsOf = ({ steps }: Ended): unknown =>
    topLogprobs === null || steps === null ? null : completionLogprobs(steps, topLogprobs);
  return {
    streamType: sse,
    begin: () => '',
    piece: (begun, text) => chunk(begun, [choice(text, null)]),
    end: (ended) => {
      const last = choice('', openaiFinish(ended), logprobsOf(ended));
      if (!includeUsage) return `${chunk(ended, [last], trustFields(ended))}data: [DONE]\n\n`;
      return `${chunk(ended, [last])}${chunk(ended, [], { usage: openaiUsage(ended), ...trustFields(ended) })}data: [DONE]\n\n`;
    },
    failed: (problem) => event(openaiError(problem)),
    whole: (ended) => ({
      ...head(ended),
      choices: [choice(ended.text, openaiFinish(ended), logprobsOf(ended))],
      usage: openaiUsage(ended),
    }),
  };
}

function head(begun: Begun) {
  return {
    id: `cmpl-${begun.id}`,
    object: 'text_completion',
    created: Math.floor(begun.askedAt / 1_000),
    model: modelName(begun.picked),
  };
}
