import type { ChatMessage } from '../../../protocol/messages.ts';
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
  chatInput,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
  readSampler,
  readSeed,
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { Fields } from '../fields.ts';
import { openaiError } from './error.ts';

const neutrals = {
  top_p: [1],
  tools: [[]],
  tool_choice: ['none', 'auto'],
  parallel_tool_calls: [true, false],
  text: [{}, { format: { type: 'text' } }],
  truncation: ['disabled'],
  background: [false],
  store: [false],
  include: [[]],
  reasoning: [{}, { effort: 'none' }],
  service_tier: ['auto', 'default'],
  top_logprobs: [0],
  stream_options: [{}, { include_obfuscation: false }, { include_obfuscation: true }],
} as const;

function readInput(fields: Fields): readonly ChatMessage[] {
  const raw = fields.raw('input');
  if (!Array.isArray(raw)) {
    const text = fields.text('input');
    if (text === undefined) throw badField('input', 'input: expected text or a list of messages');
    return [{ role: 'user', content: text }];
  }
  return raw.map((value: unknown, at) => {
    const item = new Fields(value, `input[${at}].`);
    const type = item.text('type');
    if (type !== undefined && type !== 'message') throw unsupported(item.pathOf('type'), `"${type.slice(0, 50)}"`);
    const role = item.oneOf('role', ['system', 'developer', 'user', 'assistant']);
    if (role === undefined) throw item.bad('role', 'system, developer, user or assistant');
    const content = readContent(item, 'content', ['input_text', 'output_text', 'text']);
    // Fields of an earlier answer that a client sends back.
    item.ignored('id', 'status', 'phase');
    item.done();
    return { role: role === 'developer' ? 'system' : role, content };
  });
}

/** Reads `POST /v1/responses`, text only. @throws Problem */
export function openaiResponses(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const model = readModel(fields, defaults);
  const instructions = fields.text('instructions');
  const messages = [
    ...(instructions === undefined ? [] : [{ role: 'system', content: instructions }]),
    ...readInput(fields),
  ];
  const maxTokens = fields.whole('max_output_tokens', ...maxTokensRange);
  const sampler = readSampler(fields, defaults, maxTokens);
  const request: CompletionRequest = {
    inference: {
      input: chatInput(messages, defaults),
      model,
      sampler,
      seed: readSeed(fields),
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    stream: fields.flag('stream') ?? false,
    stops: [],
    topLogprobs: null,
  };
  fields.neutral(neutrals);
  fields.ignored('user', 'metadata', 'safety_identifier', 'prompt_cache_key');
  fields.done();
  return {
    request,
    encoder: responsesEncoder({
      instructions: instructions ?? null,
      maxTokens: maxTokens ?? null,
      temperature: sampler.temperature / 100,
    }),
  };
}

interface Echo {
  readonly instructions: string | null;
  readonly maxTokens: number | null;
  readonly temperature: number;
}

/** Every event carries a sequence number; the last ones repeat the whole text. */
function responsesEncoder(echo: Echo): ResponseEncoder {
  let number = 0;
  let text = '';
  const send = (type: string, data: object): string => event({ type, ...data, sequence_number: number++ }, type);
  const place = (start: AnswerStart) => ({ item_id: `msg_${start.id}`, output_index: 0 });
  const content = { content_index: 0 };
  return {
    streamType: sse,
    start: (start) => {
      const response = responseOf(start, echo, 'in_progress', [], null);
      return [
        send('response.created', { response }),
        send('response.in_progress', { response }),
        send('response.output_item.added', {
          output_index: 0,
          item: { ...messageOf(start, 'in_progress', ''), content: [] },
        }),
        send('response.content_part.added', { ...place(start), ...content, part: partOf('') }),
      ].join('');
    },
    delta: (start, piece) => {
      text += piece;
      return send('response.output_text.delta', { ...place(start), ...content, delta: piece, logprobs: [] });
    },
    end: (end) => {
      const status = statusOf(end);
      const response = responseOf(end, echo, status, [messageOf(end, status, text)], end);
      return [
        send('response.output_text.done', { ...place(end), ...content, text, logprobs: [] }),
        send('response.content_part.done', { ...place(end), ...content, part: partOf(text) }),
        send('response.output_item.done', { output_index: 0, item: messageOf(end, status, text) }),
        send(`response.${status}`, { response, ...trustFields(end) }),
      ].join('');
    },
    error: (problem) =>
      send('error', { code: problem.code, message: problem.message, param: problem.param, ...openaiError(problem) }),
    body: (end) => responseOf(end, echo, statusOf(end), [messageOf(end, statusOf(end), end.text)], end),
  };
}

function statusOf({ delivered }: AnswerEnd): 'completed' | 'incomplete' {
  return delivered.finish === 'length' ? 'incomplete' : 'completed';
}

function partOf(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function messageOf(start: AnswerStart, status: string, text: string) {
  return { id: `msg_${start.id}`, type: 'message', status, role: 'assistant', content: [partOf(text)] };
}

function responseOf(start: AnswerStart, echo: Echo, status: string, output: readonly unknown[], end: AnswerEnd | null) {
  return {
    id: `resp_${start.id}`,
    object: 'response',
    created_at: Math.floor(start.askedAt / 1_000),
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: echo.instructions,
    max_output_tokens: echo.maxTokens,
    model: modelName(start.source),
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: echo.temperature,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage: end === null ? null : usageOf(end),
    metadata: {},
  };
}

function usageOf({ delivered: { promptTokens, tokens } }: AnswerEnd) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + tokens,
  };
}
