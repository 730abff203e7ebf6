import type { GrammarRules } from '../../../protocol/grammar/rules.ts';
import type { Input } from '../../../protocol/messages.ts';
import { badField } from '../../problem.ts';
import { readOllamaFormat } from '../answer-format.ts';
import type { ApiMessage } from '../api-message.ts';
import {
  type ApiRequest,
  type CompletionRequest,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
} from '../completion-request.ts';
import {
  gapInputOf,
  inputOf,
  rawInputOf,
  readMessages,
  type TemplateOptions,
  thinkingOptions,
} from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { RequestFields } from '../request-fields.ts';
import { readSampling, type Sampling } from '../sampling.ts';
import { noTools, readCalls, readFunctions, requestTools } from '../tools.ts';
import { type OllamaContent, ollamaEncoder } from './encoder.ts';

const chatContent: OllamaContent = ({ text, thinking, calls }) => ({
  message: {
    role: 'assistant',
    content: text,
    ...(thinking === '' ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  },
});
const generateContent: OllamaContent = ({ text, thinking }) => ({
  response: text,
  ...(thinking === '' ? {} : { thinking }),
});

/** Reads Ollama's `POST /api/chat`. @throws Problem */
export function readOllamaChat(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/api/chat']);
  if (fields.list('messages')?.length === 0) return readLoad(fields, defaults, chatContent);
  const messages = readMessages(fields, readMessage);
  const tools = requestTools(fields, readFunctions(fields), { mode: 'auto', isParallel: true });
  const request = readRequest(fields, defaults, {
    inputWith: (options) => inputOf(messages, options, defaults, tools),
    tools,
  });
  return { kind: 'completion', request, encoder: ollamaEncoder(chatContent) };
}

/** Reads Ollama's `POST /api/generate`. @throws Problem */
export function readOllamaGenerate(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/api/generate']);
  const prompt = fields.text('prompt') ?? '';
  const suffix = fields.text('suffix') ?? '';
  const system = fields.text('system') ?? '';
  const raw = fields.flag('raw') ?? false;
  if (prompt === '' && suffix === '') return readLoad(fields, defaults, generateContent);
  if (raw && system !== '') fields.refuse('system', 'with raw');
  if (suffix !== '' && system !== '') fields.refuse('system', 'with a suffix');
  const messages: readonly ApiMessage[] = [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user', content: prompt },
  ];
  const plain = suffix !== '' ? gapInputOf(prompt, suffix) : raw ? rawInputOf(prompt) : null;
  const request = readRequest(fields, defaults, {
    inputWith: (options) => plain ?? inputOf(messages, options, defaults),
    tools: plain === null ? noTools : null,
  });
  return { kind: 'completion', request, encoder: ollamaEncoder(generateContent) };
}

function readMessage(message: RequestFields): ApiMessage {
  const role = message.oneOf('role', ['system', 'user', 'assistant', 'tool']);
  if (role === undefined) throw message.bad('role', 'system, user, assistant or tool');
  const name = message.text('name');
  const common = { content: message.text('content') ?? '', name, reasoning: message.text('thinking') };
  if (role === 'tool')
    return { role, ...common, name: message.text('tool_name') ?? name, callId: message.text('tool_call_id') };
  return role === 'assistant' ? { role, ...common, calls: readCalls(message) } : { role, ...common };
}

/** Reads the fields that both Ollama routes share; `options` holds the sampler's. */
function readRequest(
  fields: RequestFields,
  defaults: RequestDefaults,
  { inputWith, tools }: Pick<CompletionRequest, 'tools'> & { readonly inputWith: (options: TemplateOptions) => Input },
): CompletionRequest {
  const options = fields.object('options');
  const rules = readOllamaFormat(fields);
  const sampling = readOptions(options ?? RequestFields.of({}), rules, defaults);
  const request: CompletionRequest = {
    inference: {
      input: inputWith(readThink(fields)),
      model: readModel(fields, defaults),
      ...sampling.inference,
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    choices: 1,
    stream: fields.flag('stream') ?? true,
    stops: sampling.stops,
    tools,
    topLogprobs: null,
    adjusted: fields.adjusted,
  };
  fields.raw('keep_alive');
  options?.done();
  fields.finish();
  return request;
}

function readOptions(options: RequestFields, rules: GrammarRules | null, defaults: RequestDefaults): Sampling {
  const limit = options.whole('num_predict', -2, maxTokensRange[1]);
  if (limit === 0) throw badField('options.num_predict', 'options.num_predict: expected at least 1');
  const repeatPenalty = options.raw('repeat_penalty') ?? 1;
  if (repeatPenalty !== 1) options.adjust('repeat_penalty', ' ignored');
  // Ollama reads a negative number as "no limit"; answers here always have one.
  const maxTokens = limit === undefined || limit < 0 ? undefined : limit;
  return readSampling({ fields: options, maxTokens, stop: 'stop', penalties: true, rules }, defaults);
}

/** The levels of Ollama's `think` are those of gpt-oss; here they only switch thinking on. */
function readThink(fields: RequestFields): TemplateOptions {
  const think = fields.raw('think');
  if (think !== undefined && typeof think !== 'boolean') fields.oneOf('think', ['low', 'medium', 'high']);
  return thinkingOptions(think === undefined ? null : think !== false);
}

/**
 * An empty prompt loads or, with `keep_alive` 0, unloads a model. Providers load models, so it only checks the offer.
 */
function readLoad(fields: RequestFields, defaults: RequestDefaults, content: OllamaContent): ApiRequest {
  const keepAlive = fields.raw('keep_alive');
  const unloads =
    keepAlive === 0 || (typeof keepAlive === 'string' && /^0+(\.0+)?(ns|us|µs|ms|s|m|h)?$/.test(keepAlive));
  const model = readModel(fields, defaults);
  return {
    kind: 'load',
    model,
    body: (name, at) => ({
      model: name,
      created_at: new Date(at).toISOString(),
      ...content({ text: '', thinking: '', calls: [] }),
      done: true,
      done_reason: unloads ? 'unload' : 'load',
    }),
  };
}
