import type { GrammarRules } from '../../../protocol/grammar/rules.ts';
import type { Input } from '../../../protocol/messages.ts';
import { badField } from '../../problem.ts';
import { readOllamaFormat } from '../answer-format.ts';
import {
  type ApiRequest,
  type CompletionRequest,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
} from '../completion-request.ts';
import {
  type ApiMessage,
  inputOf,
  rawInputOf,
  readMessages,
  type TemplateOptions,
  thinkingOptions,
} from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { quoted, RequestFields } from '../request-fields.ts';
import { readSampling, type Sampling } from '../sampling.ts';
import { ollamaEncoder } from './encoder.ts';

type Content = (text: string) => object;

const chatContent: Content = (text) => ({ message: { role: 'assistant', content: text } });
const generateContent: Content = (text) => ({ response: text });

/** Reads Ollama's `POST /api/chat`. @throws Problem */
export function readOllamaChat(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/api/chat']);
  if (fields.list('messages')?.length === 0) return readLoad(fields, defaults, chatContent);
  const messages = readMessages(fields, readMessage);
  const request = readRequest(fields, defaults, (options) => inputOf(messages, options, defaults));
  return { kind: 'completion', request, encoder: ollamaEncoder(chatContent) };
}

/** Reads Ollama's `POST /api/generate`. @throws Problem */
export function readOllamaGenerate(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/api/generate']);
  const prompt = fields.text('prompt') ?? '';
  const system = fields.text('system') ?? '';
  const raw = fields.flag('raw') ?? false;
  if (prompt === '') return readLoad(fields, defaults, generateContent);
  if (raw && system !== '') fields.refuse('system', 'with raw');
  const request = readRequest(fields, defaults, (options) =>
    raw
      ? rawInputOf(prompt)
      : inputOf(
          [...(system === '' ? [] : [{ role: 'system' as const, content: system }]), { role: 'user', content: prompt }],
          options,
          defaults,
        ),
  );
  return { kind: 'completion', request, encoder: ollamaEncoder(generateContent) };
}

function readMessage(message: RequestFields): ApiMessage | null {
  const role = message.oneOf('role', ['system', 'user', 'assistant', 'tool']);
  if (role === undefined) throw message.bad('role', 'system, user or assistant');
  if (role === 'tool') {
    message.refuse('role', quoted(role), 'tools are not offered yet');
    message.ignoreRest();
    return null;
  }
  return {
    role,
    content: message.text('content') ?? '',
    name: message.text('name'),
    reasoning: message.text('thinking'),
  };
}

/** Reads the fields that both Ollama routes share; `options` holds the sampler's. */
function readRequest(
  fields: RequestFields,
  defaults: RequestDefaults,
  inputWith: (options: TemplateOptions) => Input,
): CompletionRequest {
  const options = fields.object('options');
  const sampling = readOptions(options ?? RequestFields.of({}), readOllamaFormat(fields), defaults);
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

function readThink(fields: RequestFields): TemplateOptions {
  const think = fields.raw('think');
  if (think !== undefined && think !== false) fields.refuse('think', 'other than false', 'not offered yet');
  return thinkingOptions(think === false ? false : null);
}

/**
 * An empty prompt loads or, with `keep_alive` 0, unloads a model. Providers load models, so it only checks the offer.
 */
function readLoad(fields: RequestFields, defaults: RequestDefaults, content: Content): ApiRequest {
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
      ...content(''),
      done: true,
      done_reason: unloads ? 'unload' : 'load',
    }),
  };
}
