import type { InferenceRequest } from '../../answer/inference-client.ts';
import { badField } from '../../problem.ts';
import { readOutputFormat } from '../answer-format.ts';
import type { ApiMessage } from '../api-message.ts';
import {
  type ApiRequest,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { inputOf, readMessages, type TemplateOptions, thinkingOptions } from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { quoted, RequestFields } from '../request-fields.ts';
import { readSampling } from '../sampling.ts';
import { requestTools } from '../tools.ts';
import { messagesEncoder } from './encoder.ts';
import { readMessage } from './message.ts';
import { readToolChoice, readTools } from './tools.ts';

const table = fieldTable['/v1/messages'];

/** Reads `POST /v1/messages`. @throws Problem */
export function readMessagesRequest(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, table);
  const { tools, ...prompt } = readPrompt(fields, defaults);
  const rules = readOutputFormat(fields);
  const maxTokens = fields.whole('max_tokens', ...maxTokensRange);
  if (maxTokens === undefined) throw badField('max_tokens', 'max_tokens: expected a whole number');
  const sampling = readSampling({ fields, maxTokens, stop: 'stop_sequences', rules }, defaults);
  const request = {
    inference: {
      ...prompt,
      ...sampling.inference,
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    choices: 1,
    stream: fields.flag('stream') ?? false,
    stops: sampling.stops,
    tools,
    topLogprobs: null,
    adjusted: fields.adjusted,
  };
  fields.finish();
  return { kind: 'completion', request, encoder: messagesEncoder() };
}

/** Reads `POST /v1/messages/count_tokens`. @throws Problem */
export function readCountRequest(body: unknown, defaults: RequestDefaults): Pick<InferenceRequest, 'model' | 'input'> {
  const fields = RequestFields.of(body, table);
  const prompt = readPrompt(fields, defaults);
  readOutputFormat(fields);
  fields.finish();
  return prompt;
}

/** The fields that make up the prompt. */
function readPrompt(fields: RequestFields, defaults: RequestDefaults) {
  const system = readContent(fields, 'system', ['text']);
  const messages = readMessages(fields, readMessage);
  const given: readonly ApiMessage[] = system === '' ? messages : [{ role: 'system', content: system }, ...messages];
  const tools = requestTools(fields, readTools(fields), readToolChoice(fields));
  const input = inputOf(given, readThinking(fields), defaults, tools);
  return { model: readModel(fields, defaults), input, tools };
}

function readThinking(fields: RequestFields): TemplateOptions {
  const thinking = fields.object('thinking');
  const type = thinking?.text('type');
  if (thinking !== undefined && type !== 'disabled' && type !== 'adaptive' && type !== 'enabled') {
    fields.refuse('thinking', quoted(type), 'send enabled, adaptive or disabled');
    thinking.ignoreRest();
  }
  thinking?.done();
  return thinkingOptions(type === 'disabled' ? false : type === 'enabled' ? true : null);
}
