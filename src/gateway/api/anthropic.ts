import type { ChatMessage } from '../../protocol/messages.ts';
import {
  type AnswerEnd,
  type AnswerStart,
  event,
  modelName,
  type ResponseEncoder,
  sse,
  trustFields,
} from '../answer/response-encoder.ts';
import { badField, type Problem } from '../problem.ts';
import {
  type CompletionRequest,
  chatInput,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
  readSampler,
  readSeed,
  readStops,
} from './completion-request.ts';
import { readContent } from './content.ts';
import { Fields } from './fields.ts';

const neutrals = {
  top_p: [1],
  tools: [[]],
  tool_choice: [{ type: 'auto' }, { type: 'none' }],
  thinking: [{ type: 'disabled' }],
  service_tier: ['auto', 'standard_only'],
} as const;

/** Anthropic's error body; `type` is their value, `code` ours. */
export function anthropicError({ status, code, message, param }: Problem): object {
  return { type: 'error', error: { type: typeOf(status), message, code, param } };
}

function typeOf(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}

function readMessages(fields: Fields): readonly ChatMessage[] {
  const messages = fields.list('messages');
  if (messages === undefined || messages.length === 0)
    throw badField('messages', 'messages: expected a list of at least one message');
  return messages.map((value, at) => {
    const message = new Fields(value, `messages[${at}].`);
    const role = message.oneOf('role', ['user', 'assistant']);
    if (role === undefined) throw message.bad('role', 'user or assistant');
    const content = readContent(message, 'content', ['text']);
    message.done();
    return { role, content };
  });
}

/** Reads Anthropic's `POST /v1/messages`. @throws Problem */
export function anthropicMessages(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const model = readModel(fields, defaults);
  const system =
    fields.raw('system') === undefined ? [] : [{ role: 'system', content: readContent(fields, 'system', ['text']) }];
  const maxTokens = fields.whole('max_tokens', ...maxTokensRange);
  if (maxTokens === undefined) throw badField('max_tokens', 'max_tokens: expected a whole number');
  const request: CompletionRequest = {
    inference: {
      input: chatInput([...system, ...readMessages(fields)], defaults),
      model,
      sampler: readSampler(fields, defaults, maxTokens),
      seed: readSeed(fields),
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    stream: fields.flag('stream') ?? false,
    stops: readStops(fields, 'stop_sequences'),
    topLogprobs: null,
  };
  fields.neutral(neutrals);
  fields.ignored('metadata');
  fields.done();
  return { request, encoder: messagesEncoder };
}

const messagesEncoder: ResponseEncoder = {
  streamType: sse,
  start: (start) =>
    [
      event(
        {
          type: 'message_start',
          message: {
            ...messageOf(start, []),
            stop_reason: null,
            stop_sequence: null,
            usage: { input_tokens: start.promptTokens, output_tokens: 0 },
          },
        },
        'message_start',
      ),
      event(
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        'content_block_start',
      ),
    ].join(''),
  delta: (_start, text) =>
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }, 'content_block_delta'),
  end: (end) =>
    [
      event({ type: 'content_block_stop', index: 0 }, 'content_block_stop'),
      event(
        {
          type: 'message_delta',
          delta: { stop_reason: reasonOf(end), stop_sequence: end.stop },
          usage: usageOf(end),
        },
        'message_delta',
      ),
      event({ type: 'message_stop', ...trustFields(end) }, 'message_stop'),
    ].join(''),
  error: (problem) => event(anthropicError(problem), 'error'),
  body: (end) => ({
    ...messageOf(end, [{ type: 'text', text: end.text }]),
    stop_reason: reasonOf(end),
    stop_sequence: end.stop,
    usage: usageOf(end),
  }),
};

function messageOf(start: AnswerStart, content: readonly unknown[]) {
  return { id: `msg_${start.id}`, type: 'message', role: 'assistant', model: modelName(start.source), content };
}

function reasonOf({ delivered, stop }: AnswerEnd): string {
  if (stop !== null) return 'stop_sequence';
  return delivered.finish === 'length' ? 'max_tokens' : 'end_turn';
}

function usageOf({ delivered: { promptTokens, tokens } }: AnswerEnd) {
  return { input_tokens: promptTokens, output_tokens: tokens };
}
