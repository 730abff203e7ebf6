import type { ChatMessage, Input } from '../../protocol/messages.ts';
import {
  type AnswerEnd,
  type AnswerStart,
  line,
  modelName,
  ndjson,
  type ResponseEncoder,
  trustFields,
} from '../answer/response-encoder.ts';
import { badField, type Problem, unsupported } from '../problem.ts';
import {
  type CompletionRequest,
  chatInput,
  maxTokensRange,
  type RequestDefaults,
  rawInput,
  readExtension,
  readModel,
  readSampler,
  readSeed,
  readStops,
} from './completion-request.ts';
import { Fields } from './fields.ts';

/** Ollama's error body with our code beside it. */
export function ollamaError({ message, code }: Problem): object {
  return { error: message, code };
}

const neutrals = {
  format: ['', {}],
  tools: [[]],
  think: [false],
  logprobs: [false],
  top_logprobs: [0],
  truncate: [true, false],
  shift: [true, false],
} as const;
const optionNeutrals = {
  top_p: [1],
  typical_p: [1],
  tfs_z: [1],
  repeat_penalty: [1],
  presence_penalty: [0],
  frequency_penalty: [0],
  mirostat: [0],
} as const;

/** Reads the fields that both Ollama routes share; `options` holds the sampler's. */
function readRequest(fields: Fields, input: Input, defaults: RequestDefaults): CompletionRequest {
  const options = fields.object('options') ?? new Fields({}, 'options.');
  const limit = options.whole('num_predict', -2, maxTokensRange[1]);
  if (limit === 0) throw badField('options.num_predict', 'options.num_predict: expected at least 1');
  const request: CompletionRequest = {
    inference: {
      input,
      model: nameOf(readModel(fields, defaults)),
      // Ollama reads a negative number as "no limit"; answers here always have one.
      sampler: readSampler(options, defaults, limit === undefined || limit < 0 ? undefined : limit),
      seed: readSeed(options),
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    stream: fields.flag('stream') ?? true,
    stops: readStops(options, 'stop'),
    topLogprobs: null,
    minContext: options.whole('num_ctx', 1, maxTokensRange[1]),
  };
  options.neutral(optionNeutrals);
  options.done();
  fields.neutral(neutrals);
  fields.ignored('keep_alive');
  fields.done();
  return request;
}

/** Turns Ollama's `name:tag` into `name/quant`; the tag `latest` means any quant. */
export function nameOf<Model extends string | null>(model: Model): Model | string {
  const [, name, tag] = (model === null ? null : /^([^:/]+):([^:/]+)$/.exec(model)) ?? [];
  if (name === undefined || tag === undefined) return model;
  return tag === 'latest' ? name : `${name}/${tag}`;
}

function readMessages(fields: Fields): readonly ChatMessage[] {
  const messages = fields.list('messages');
  if (messages === undefined || messages.length === 0)
    throw badField('messages', 'messages: expected a list of at least one message');
  return messages.map((value, at) => {
    const message = new Fields(value, `messages[${at}].`);
    const role = message.oneOf('role', ['system', 'user', 'assistant', 'tool']);
    if (role === undefined) throw message.bad('role', 'system, user or assistant');
    if (role === 'tool') throw unsupported(message.pathOf('role'), '"tool"');
    const content = message.text('content');
    if (content === undefined) throw message.bad('content', 'text');
    message.neutral({ images: [[]], tool_calls: [[]], thinking: [''] });
    message.done();
    return { role, content };
  });
}

/** Reads Ollama's `POST /api/chat`. @throws Problem */
export function ollamaChat(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const input = chatInput(readMessages(fields), defaults);
  return {
    request: readRequest(fields, input, defaults),
    encoder: ollamaEncoder((text) => ({ message: { role: 'assistant', content: text } })),
  };
}

/** Reads Ollama's `POST /api/generate`. @throws Problem */
export function ollamaGenerate(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const prompt = fields.text('prompt');
  const system = fields.text('system');
  const raw = fields.flag('raw') ?? false;
  if (prompt === undefined || prompt === '')
    throw badField(
      'prompt',
      'prompt: expected text; models are loaded by their providers, there is nothing to load here',
    );
  fields.neutral({ suffix: [''], template: [''], images: [[]], context: [[]] });
  if (raw && system !== undefined && system !== '') throw unsupported('system', 'with raw');
  const messages = [
    ...(system === undefined || system === '' ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: prompt },
  ];
  const input = raw ? rawInput(prompt) : chatInput(messages, defaults);
  return { request: readRequest(fields, input, defaults), encoder: ollamaEncoder((text) => ({ response: text })) };
}

function ollamaEncoder(content: (text: string) => object): ResponseEncoder {
  const head = (start: AnswerStart) => ({
    model: modelName(start.source),
    created_at: new Date(start.askedAt).toISOString(),
  });
  const last = (end: AnswerEnd, text: string) => ({
    ...head(end),
    ...content(text),
    done: true,
    done_reason: end.stop === null && end.delivered.finish === 'length' ? 'length' : 'stop',
    ...counts(end),
    ...trustFields(end),
  });
  return {
    streamType: ndjson,
    start: () => '',
    delta: (start, text) => line({ ...head(start), ...content(text), done: false }),
    end: (end) => line(last(end, '')),
    error: (problem) => line(ollamaError(problem)),
    body: (end) => last(end, end.text),
  };
}

/** Durations in nanoseconds. The time to the first token counts as prompt evaluation. */
function counts({ delivered: { promptTokens, tokens }, firstTokenMs, totalMs }: AnswerEnd) {
  const nanoseconds = (ms: number): number => Math.round(ms * 1e6);
  return {
    total_duration: nanoseconds(totalMs),
    load_duration: 0,
    prompt_eval_count: promptTokens,
    prompt_eval_duration: nanoseconds(firstTokenMs),
    eval_count: tokens,
    eval_duration: nanoseconds(totalMs - firstTokenMs),
  };
}
