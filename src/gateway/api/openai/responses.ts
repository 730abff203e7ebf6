import { badField } from '../../problem.ts';
import { readTextFormat } from '../answer-format.ts';
import type { ApiCall, ApiMessage } from '../api-message.ts';
import {
  type ApiRequest,
  maxTokensRange,
  type RequestDefaults,
  readExtension,
  readModel,
} from '../completion-request.ts';
import { readContent } from '../content.ts';
import { inputOf, type TemplateOptions, thinkingOptions } from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { quoted, RequestFields } from '../request-fields.ts';
import { readSampling } from '../sampling.ts';
import { leaveOut, readArguments, readDefinition, readToolName, requestTools, type ToolDefinition } from '../tools.ts';
import { readCustomCall, readCustomTool } from './custom-tools.ts';
import { repeatedSettings } from './repeated-settings.ts';
import { responsesEncoder } from './responses-encoder.ts';
import { readToolChoice } from './tool-choice.ts';

/** Reads `POST /v1/responses`. @throws Problem */
export function readResponse(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/v1/responses']);
  const instructions = fields.text('instructions');
  const messages: readonly ApiMessage[] = [
    ...(instructions === undefined ? [] : [{ role: 'system' as const, content: instructions }]),
    ...readInput(fields),
  ];
  const maxTokens = fields.whole('max_output_tokens', ...maxTokensRange);
  const defined = readTools(fields);
  const choice = readToolChoice(fields, (holder) => holder);
  const tools = requestTools(fields, defined, choice);
  const rules = readTextFormat(fields);
  const sampling = readSampling({ fields, maxTokens, stop: null, rules }, defaults);
  readInclude(fields);
  fields.object('stream_options')?.done();
  const request = {
    inference: {
      input: inputOf(messages, readReasoning(fields), defaults, tools),
      model: readModel(fields, defaults),
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
  const repeated = repeatedSettings(fields, { tools: defined, choice, sampler: sampling.inference.sampler });
  return { kind: 'completion', request, encoder: responsesEncoder(repeated) };
}

function readInput(fields: RequestFields): readonly ApiMessage[] {
  const raw = fields.raw('input');
  if (!Array.isArray(raw)) {
    const text = fields.text('input');
    if (text === undefined) throw badField('input', 'input: expected text or a list of messages');
    return [{ role: 'user', content: text }];
  }
  const items = raw.map((value: unknown, at) => readItem(fields.item('input', at, value)));
  const messages = joinedItems(items.filter((item) => item !== null));
  if (messages.length === 0 && !items.includes(null)) throw badField('input', 'input: expected at least one message');
  return messages;
}

/** Null for an item that was refused. */
function readItem(item: RequestFields): ApiMessage | null {
  const type = item.text('type') ?? 'message';
  switch (type) {
    case 'message':
      return readMessage(item);
    case 'reasoning':
      return readReasoningItem(item);
    case 'function_call':
      return readCall(item);
    case 'custom_tool_call':
      return readTextCall(item);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return readOutput(item);
    default:
      item.refuse('type', quoted(type), noteOn(type));
      item.ignoreRest();
      return null;
  }
}

function noteOn(type: string): string {
  return type === 'item_reference'
    ? 'this gateway stores no responses: send the item itself, and store: false'
    : 'tools other than functions and custom tools are not offered';
}

/** Reasoning, text and calls of one answer are items of their own; a template wants one message. */
function joinedItems(items: readonly ApiMessage[]): readonly ApiMessage[] {
  const joined: ApiMessage[] = [];
  let calls: ApiCall[] = [];
  for (const item of items) {
    const last = joined.at(-1);
    const goesOn = last?.role === 'assistant' && item.role === 'assistant' && follows(item, last);
    if (goesOn) {
      calls.push(...(item.calls ?? []));
      joined.splice(-1, 1, { ...last, content: last.content + item.content, calls });
    } else {
      calls = [...(item.calls ?? [])];
      joined.push({ ...item, calls });
    }
  }
  // Reasoning that nothing follows says nothing to a template.
  return joined.filter((item) => item.reasoning === undefined || stageOf(item) > 0);
}

/** Whether `item` goes on with the answer that `last` holds: first reasoning, then text, then calls. */
function follows(item: ApiMessage, last: ApiMessage): boolean {
  const [before, now] = [stageOf(last), stageOf(item)];
  return now > before || (now === 2 && before === 2);
}

function stageOf({ content, calls = [] }: ApiMessage): 0 | 1 | 2 {
  if (calls.length > 0) return 2;
  return content === '' ? 0 : 1;
}

function readReasoningItem(item: RequestFields): ApiMessage {
  const content = readContent(item, 'content', ['reasoning_text', 'text']);
  item.ignoreRest();
  return { role: 'assistant', content: '', reasoning: content };
}

function readCall(item: RequestFields): ApiMessage {
  const name = nameWithin(readNamespaceName(item), readToolName(item));
  const call = { id: item.text('call_id'), name, arguments: readArguments(item, 'arguments') };
  item.done();
  return { role: 'assistant', content: '', calls: [call] };
}

function readTextCall(item: RequestFields): ApiMessage {
  const [id, namespace] = [item.text('call_id'), readNamespaceName(item)];
  const { name, arguments: json } = readCustomCall(item);
  return { role: 'assistant', content: '', calls: [{ id, name: nameWithin(namespace, name), arguments: json }] };
}

function readOutput(item: RequestFields): ApiMessage {
  const content = readContent(item, 'output', ['input_text', 'output_text', 'text']);
  const callId = item.text('call_id');
  item.done();
  return { role: 'tool', content, callId };
}

function readTools(fields: RequestFields, namespace?: string): readonly ToolDefinition[] {
  return (fields.list('tools') ?? []).flatMap((value, at) => {
    const tool = fields.item('tools', at, value);
    const type = tool.raw('type');
    if (type === 'namespace' && namespace === undefined) return readNamespace(tool);
    if (type !== 'function' && type !== 'custom') {
      leaveOut(tool, type);
      return [];
    }
    const definition =
      type === 'custom' ? readCustomTool(tool, (format) => format) : readDefinition(tool, 'parameters');
    if (type === 'function') tool.done();
    const { name } = definition;
    return namespace === undefined
      ? definition
      : { ...definition, name: nameWithin(namespace, name), within: { namespace, name } };
  });
}

/** A group of tools, each of which the model sees as a function of a longer name. */
function readNamespace(group: RequestFields): readonly ToolDefinition[] {
  const tools = readTools(group, readToolName(group));
  // What the tools have in common; each describes itself.
  group.raw('description');
  group.done();
  return tools;
}

function readNamespaceName(item: RequestFields): string | undefined {
  return item.raw('namespace') === undefined ? undefined : readToolName(item, 'namespace');
}

function nameWithin(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}.${name}`;
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
