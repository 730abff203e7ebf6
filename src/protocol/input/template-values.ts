import { BadInputError } from '../encoding/malformed-error.ts';
import { type JsonValue, parseJsonText } from '../encoding/strict-json.ts';
import { type ControlTexts, checkNoBreakMark } from './control-text.ts';
import type { ChatMessage, Input, ToolCall } from './input.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'];

/**
 * A message as a template gets it: absent keys are absent, the others in the order role, content, name, tool_call_id,
 * tool_calls, reasoning_content; calls have the template's form, objects inside keep their order.
 */
export type TemplateMessage = ReadonlyMap<string, JsonValue>;

/** What a template gets of an input (section 2), every text broken. */
export interface TemplateValues {
  readonly messages: readonly TemplateMessage[];
  /** Null: not defined in the template. */
  readonly tools: JsonValue | null;
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/**
 * The values of `input` for its template. The only message of a raw input is not broken.
 * @throws BadInputError for another role, U+FDD0 anywhere, or a control text of one character
 */
export function templateValuesOf(input: Input, controlTexts: ControlTexts): TemplateValues {
  for (const { role } of input.messages)
    if (!roles.includes(role)) throw new BadInputError(`a role that is not ${roles.join(', ')}`);
  const isRaw = input.template === 'raw';
  const broken = (text: string): string => {
    if (!isRaw) return controlTexts.broken(text);
    checkNoBreakMark(text);
    return text;
  };
  const options = Object.entries(input.options).map(([name, value]) => {
    checkNoBreakMark(name);
    return [name, typeof value === 'string' ? broken(value) : value] as const;
  });
  return {
    messages: input.messages.map((message) => messageValue(message, broken)),
    tools: input.tools === null ? null : brokenValue(parseJsonText(input.tools), broken),
    options: Object.fromEntries(options),
  };
}

type Break = (text: string) => string;

function messageValue(message: ChatMessage, broken: Break): TemplateMessage {
  const value = new Map<string, JsonValue>();
  const setText = (key: Exclude<keyof ChatMessage, 'tool_calls'>): void => {
    const text = message[key];
    if (text !== undefined) value.set(key, broken(text));
  };
  for (const key of ['role', 'content', 'name', 'tool_call_id'] as const) setText(key);
  const calls = message.tool_calls?.map((call) => callValue(call, broken));
  if (calls !== undefined) value.set('tool_calls', calls);
  setText('reasoning_content');
  return value;
}

function callValue({ id, name, arguments: json }: ToolCall, broken: Break): JsonValue {
  return new Map<string, JsonValue>([
    ['id', broken(id)],
    ['type', 'function'],
    [
      'function',
      new Map<string, JsonValue>([
        ['name', broken(name)],
        ['arguments', brokenValue(parseJsonText(json), broken)],
      ]),
    ],
  ]);
}

function brokenValue(value: JsonValue, broken: Break): JsonValue {
  if (typeof value === 'string') return broken(value);
  if (Array.isArray(value)) return value.map((item) => brokenValue(item, broken));
  if (value instanceof Map)
    return new Map([...value].map(([key, item]) => [broken(key), brokenValue(item, broken)] as const));
  return value;
}
