import { badField } from '../../problem.ts';
import { readResponseFormat } from '../answer-format.ts';
import type { ApiMessage } from '../api-message.ts';
import {
  type ApiRequest,
  maxTokensRange,
  type RequestDefaults,
  readChoices,
  readExtension,
  readModel,
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { inputOf, readMessages, readTemplateOptions, type TemplateOptions, thinkingOptions } from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { quoted, RequestFields } from '../request-fields.ts';
import { readSampling } from '../sampling.ts';
import { type RequestTools, readCalls, readFunctions, requestTools } from '../tools.ts';
import { chatEncoder } from './chat-encoder.ts';
import { readCustomCall, readCustomTool } from './custom-tools.ts';
import { readToolChoice } from './tool-choice.ts';

const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

/** Reads `POST /v1/chat/completions`. @throws Problem */
export function readChat(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/v1/chat/completions']);
  const messages = readMessages(fields, readMessage);
  const named = fields.whole('max_tokens', ...maxTokensRange);
  const maxTokens = fields.whole('max_completion_tokens', ...maxTokensRange) ?? named;
  const logits = fields.flag('logprobs') ?? false;
  const topLogprobs = fields.whole('top_logprobs', 0, 20);
  if (topLogprobs !== undefined && topLogprobs > 0 && !logits)
    throw badField('top_logprobs', 'top_logprobs: needs logprobs: true');
  const includeUsage = readIncludeUsage(fields);
  const tools = readTools(fields);
  const rules = readResponseFormat(fields);
  const sampling = readSampling({ fields, maxTokens, stop: 'stop', penalties: true, bias: true, rules }, defaults);
  if ((fields.raw('repetition_penalty') ?? 1) !== 1) fields.adjust('repetition_penalty', ' ignored');
  const request = {
    inference: {
      input: inputOf(messages, readOptions(fields), defaults, tools),
      model: readModel(fields, defaults),
      ...sampling.inference,
      timeoutMs: defaults.timeoutMs,
      logits,
      ...readExtension(fields, defaults),
    },
    choices: readChoices(fields),
    stream: fields.flag('stream') ?? false,
    stops: sampling.stops,
    tools,
    topLogprobs: logits ? (topLogprobs ?? 0) : null,
    adjusted: fields.adjusted,
  };
  fields.finish();
  return { kind: 'completion', request, encoder: chatEncoder(includeUsage, request.topLogprobs) };
}

function readMessage(message: RequestFields): ApiMessage | null {
  const role = message.oneOf('role', ['system', 'developer', 'user', 'assistant', 'tool', 'function']);
  if (role === undefined) throw message.bad('role', 'system, user, assistant or tool');
  if (role === 'function') {
    message.refuse('role', quoted(role), 'send the role tool');
    message.ignoreRest();
    return null;
  }
  const common = {
    content: readContent(message, 'content', ['text', 'input_text', 'output_text']),
    name: message.text('name'),
    reasoning: message.text('reasoning_content'),
  };
  if (role === 'tool') return { role, ...common, callId: message.text('tool_call_id') };
  if (role !== 'assistant') return { role: role === 'developer' ? 'system' : role, ...common };
  return { role, ...common, calls: readCalls(message, readCustom) };
}

/** Null for a call of another type. */
function readCustom(call: RequestFields, type: unknown): ReturnType<typeof readCustomCall> | null {
  const made = type === 'custom' ? call.object('custom') : undefined;
  if (made === undefined) return null;
  call.ignoreRest();
  return readCustomCall(made);
}

/** The tools of a request and what it says about calls. */
function readTools(fields: RequestFields): RequestTools {
  const tools = readFunctions(fields, (tool, type) => {
    const described = type === 'custom' ? tool.object('custom') : undefined;
    if (described === undefined) return null;
    tool.done();
    return readCustomTool(described, (format) => format.object('grammar'));
  });
  return requestTools(
    fields,
    tools,
    readToolChoice(fields, (holder, type) => holder.object(type)),
  );
}

function readOptions(fields: RequestFields): TemplateOptions {
  const effort = fields.oneOf('reasoning_effort', efforts);
  return { ...thinkingOptions(effort === 'none' ? false : null), ...readTemplateOptions(fields) };
}

/** Reads `stream_options.include_usage`. */
export function readIncludeUsage(fields: RequestFields): boolean {
  const options = fields.object('stream_options');
  const include = options?.flag('include_usage') ?? false;
  options?.done();
  return include;
}
