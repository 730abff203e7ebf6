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
import { badField, type Problem, unsupported } from '../../problem.ts';
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
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { Fields } from '../fields.ts';
import { openaiError } from './error.ts';
import { chatLogprobs } from './logprobs.ts';

/** Values that clients send by default. */
const neutrals = {
  n: [1],
  top_p: [1],
  frequency_penalty: [0],
  presence_penalty: [0],
  repetition_penalty: [1],
  logit_bias: [{}],
  tools: [[]],
  functions: [[]],
  tool_choice: ['none', 'auto'],
  function_call: ['none', 'auto'],
  parallel_tool_calls: [true, false],
  response_format: [{ type: 'text' }],
  modalities: [['text']],
  service_tier: ['auto', 'default'],
  store: [false],
  reasoning_effort: ['none'],
  verbosity: ['medium'],
} as const;

/** OpenAI's `usage`. It includes tokens that arrived after a stop text: they are paid for. */
export function openaiUsage({ delivered }: AnswerEnd) {
  const { promptTokens, tokens } = delivered;
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}

export function openaiFinish({ delivered, stop }: AnswerEnd): 'stop' | 'length' {
  return stop === null && delivered.finish === 'length' ? 'length' : 'stop';
}

/** Reads `stream_options.include_usage`. */
export function readIncludeUsage(fields: Fields): boolean {
  const options = fields.object('stream_options');
  const include = options?.flag('include_usage') ?? false;
  options?.neutral({ include_obfuscation: [false, true] });
  options?.done();
  return include;
}

function readMessages(fields: Fields): readonly ChatMessage[] {
  const messages = fields.list('messages');
  if (messages === undefined || messages.length === 0)
    throw badField('messages', 'messages: expected a list of at least one message');
  return messages.map((value, at) => {
    const message = new Fields(value, `messages[${at}].`);
    const role = message.oneOf('role', ['system', 'developer', 'user', 'assistant', 'tool', 'function']);
    if (role === undefined) throw message.bad('role', 'system, user or assistant');
    if (role === 'tool' || role === 'function') throw unsupported(message.pathOf('role'), `"${role}"`);
    const content = readContent(message, 'content', ['text', 'input_text', 'output_text']);
    // Fields of an earlier answer that a client sends back.
    message.neutral({
      refusal: [],
      audio: [],
      tool_calls: [[]],
      function_call: [],
      annotations: [[]],
      reasoning_content: [''],
    });
    message.done();
    return { role: role === 'developer' ? 'system' : role, content };
  });
}

/** Reads `POST /v1/chat/completions`. @throws Problem */
export function openaiChat(
  body: unknown,
  defaults: RequestDefaults,
): { readonly request: CompletionRequest; readonly encoder: ResponseEncoder } {
  const fields = new Fields(body);
  const model = readModel(fields, defaults);
  const input = chatInput(readMessages(fields), defaults);
  const maxTokens =
    fields.whole('max_completion_tokens', ...maxTokensRange) ?? fields.whole('max_tokens', ...maxTokensRange);
  const sampler = readSampler(fields, defaults, maxTokens);
  const logits = fields.flag('logprobs') ?? false;
  const topLogprobs = fields.whole('top_logprobs', 0, 20);
  if (topLogprobs !== undefined && topLogprobs > 0 && !logits)
    throw badField('top_logprobs', 'top_logprobs: needs logprobs: true');
  const stream = fields.flag('stream') ?? false;
  const includeUsage = readIncludeUsage(fields);
  const request: CompletionRequest = {
    inference: {
      input,
      model,
      sampler,
      seed: readSeed(fields),
      timeoutMs: defaults.timeoutMs,
      logits,
      ...readExtension(fields, defaults),
    },
    stream,
    stops: readStops(fields, 'stop'),
    topLogprobs: logits ? (topLogprobs ?? 0) : null,
  };
  fields.neutral(neutrals);
  fields.ignored('user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'max_tokens');
  fields.done();
  return { request, encoder: chatEncoder(includeUsage, request.topLogprobs) };
}

function chatEncoder(includeUsage: boolean, topLogprobs: number | null): ResponseEncoder {
  const chunk = (start: AnswerStart, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(start, 'chat.completion.chunk'), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (delta: object, finish: string | null, logprobs: unknown = null) => ({
    index: 0,
    delta,
    logprobs,
    finish_reason: finish,
  });
  const logprobsOf = ({ steps }: AnswerEnd): unknown =>
    topLogprobs === null || steps === null ? null : chatLogprobs(steps, topLogprobs);
  return {
    streamType: sse,
    start: (start) => chunk(start, [choice({ role: 'assistant', content: '', refusal: null }, null)]),
    delta: (start, text) => chunk(start, [choice({ content: text }, null)]),
    end: (end) => {
      const last = choice({}, openaiFinish(end), logprobsOf(end));
      if (!includeUsage) return `${chunk(end, [last], trustFields(end))}data: [DONE]\n\n`;
      return `${chunk(end, [last])}${chunk(end, [], { usage: openaiUsage(end), ...trustFields(end) })}data: [DONE]\n\n`;
    },
    error: (problem: Problem) => event(openaiError(problem)),
    body: (end) => ({
      ...head(end, 'chat.completion'),
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: end.text, refusal: null },
          logprobs: logprobsOf(end),
          finish_reason: openaiFinish(end),
        },
      ],
      usage: openaiUsage(end),
    }),
  };
}

function head(start: AnswerStart, object: string) {
  return {
    id: `chatcmpl-${start.id}`,
    object,
    created: Math.floor(start.askedAt / 1_000),
    model: modelName(start.source),
  };
}
