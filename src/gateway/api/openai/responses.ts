import { badField } from '../../problem.ts';
import { readTextFormat } from '../answer-format.ts';
import {
  type ApiRequest,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { type ApiMessage, inputOf, type TemplateOptions, thinkingOptions } from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { quoted, RequestFields } from '../request-fields.ts';
import { readSampling } from '../sampling.ts';
import { responsesEncoder } from './responses-encoder.ts';

/** Reads `POST /v1/responses`, text only. @throws Problem */
export function readResponse(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/v1/responses']);
  const instructions = fields.text('instructions');
  const messages: readonly ApiMessage[] = [
    ...(instructions === undefined ? [] : [{ role: 'system' as const, content: instructions }]),
    ...readInput(fields),
  ];
  const maxTokens = fields.whole('max_output_tokens', ...maxTokensRange);
  const sampling = readSampling({ fields, maxTokens, stop: null, rules: readTextFormat(fields) }, defaults);
  readInclude(fields);
  fields.object('stream_options')?.done();
  const request = {
    inference: {
      input: inputOf(messages, readReasoning(fields), defaults),
      model: readModel(fields, defaults),
      ...sampling.inference,
      timeoutMs: defaults.timeoutMs,
      logits: false,
      ...readExtension(fields, defaults),
    },
    choices: 1,
    stream: fields.flag('stream') ?? false,
    stops: sampling.stops,
    topLogprobs: null,
    adjusted: fields.adjusted,
  };
  fields.finish();
  return {
    kind: 'completion',
    request,
    encoder: responsesEncoder({
      instructions: instructions ?? null,
      maxTokens: maxTokens ?? null,
      temperature: sampling.inference.sampler.temperature / 100,
    }),
  };
}

function readInput(fields: RequestFields): readonly ApiMessage[] {
  const raw = fields.raw('input');
  if (!Array.isArray(raw)) {
    const text = fields.text('input');
    if (text === undefined) throw badField('input', 'input: expected text or a list of messages');
    return [{ role: 'user', content: text }];
  }
  let refused = false;
  const messages = raw.flatMap((value: unknown, at) => {
    const item = fields.item('input', at, value);
    const type = item.text('type') ?? 'message';
    if (type === 'message') return [readMessage(item)];
    if (type !== 'reasoning') {
      refused = true;
      item.refuse('type', quoted(type), noteOn(type));
    }
    item.ignoreRest();
    return [];
  });
  if (messages.length === 0 && !refused) throw badField('input', 'input: expected at least one message');
  return messages;
}

function noteOn(type: string): string {
  return type === 'item_reference'
    ? 'this gateway stores no responses: send the item itself, and store: false'
    : 'tools are not offered yet';
}

function readMessage(item: RequestFields): ApiMessage {
  const role = item.oneOf('role', ['system', 'developer', 'user', 'assistant']);
  if (role === undefined) throw item.bad('role', 'system, developer, user or assistant');
  const content = readContent(item, 'content', ['input_text', 'output_text', 'text']);
  item.done();
  return { role: role === 'developer' ? 'system' : role, content };
}

/** Clients ask for encrypted reasoning to send it back later; there is none here. */
function readInclude(fields: RequestFields): void {
  for (const each of fields.list('include') ?? [])
    if (each !== 'reasoning.encrypted_content') fields.refuse('include', quoted(each));
}

function readReasoning(fields: RequestFields): TemplateOptions {
  const reasoning = fields.object('reasoning');
  const effort = reasoning?.text('effort');
  reasoning?.done();
  return thinkingOptions(effort === 'none' ? false : null);
}
