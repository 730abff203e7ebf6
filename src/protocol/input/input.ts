import * as v from 'valibot';
import { utf8 } from '../../lib/bytes.ts';
import { maxToolsBytes } from '../constants.ts';
import { type JsonObject, type JsonValue, parseJsonText } from '../encoding/strict-json.ts';
import { text, u32s } from '../messages/fields.ts';
import { encoder, validated } from '../messages/validated.ts';

/** A call that an assistant's message makes (section 2). `arguments` is the JSON text of an object. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** One message; the optional fields are there only if they say something, so they are never empty. */
export interface ChatMessage {
  /** `system`, `developer`, `user`, `assistant` or `tool`; another one is `bad-input`. */
  readonly role: string;
  readonly content: string;
  readonly name?: string;
  readonly reasoning_content?: string;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly ToolCall[];
}

/**
 * What the model is asked (section 2). With `raw` there is one message, with `fim` there are two, the texts before and
 * behind a gap, with `embed` one for each text (section 4.9); `options` is empty then but for `truncate` of `embed`,
 * `tools` and `date` are null.
 */
export interface Input {
  readonly messages: readonly ChatMessage[];
  readonly template: 'gguf' | 'raw' | 'fim' | 'embed';
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** JSON text of `[{"type":"function","function":{"name":…, …}}]`, at least one. */
  readonly tools: string | null;
  /** `YYYY-MM-DD`, the only day that the template knows. */
  readonly date: string | null;
  /** Tokens of the answer that came before this job (section 4.6). */
  readonly continuation: readonly number[];
}

/** What a template gets besides the options (section 2). */
const reservedOptions = new Set([
  'messages',
  'tools',
  'add_generation_prompt',
  'bos_token',
  'eos_token',
  'raise_exception',
  'strftime_now',
  '__proto__',
]);

/** The first and last token of a text, and one between them. */
const minTruncate = 3;

function isOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, option]) => {
    if (!name.isWellFormed() || reservedOptions.has(name)) return false;
    return (
      typeof option === 'boolean' ||
      Number.isSafeInteger(option) ||
      (typeof option === 'string' && option.isWellFormed())
    );
  });
}

/** A JSON text of which `holds` is true. */
function jsonText(holds: (value: JsonValue) => boolean, expected: string) {
  return v.pipe(
    text,
    v.check((json) => {
      try {
        return holds(parseJsonText(json));
      } catch {
        return false;
      }
    }, expected),
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

function isTool(value: JsonValue): boolean {
  if (!isObject(value) || value.size !== 2 || value.get('type') !== 'function') return false;
  const described = value.get('function');
  return isObject(described) && typeof described.get('name') === 'string';
}

const tools = v.pipe(
  text,
  v.check((json) => utf8(json).length <= maxToolsBytes, `expected at most ${maxToolsBytes} bytes`),
  jsonText(
    (value) => Array.isArray(value) && value.length > 0 && value.every(isTool),
    'expected the JSON of a list of functions',
  ),
);

const someText = v.pipe(text, v.minLength(1));

const toolCall = v.strictObject({
  id: text,
  name: text,
  arguments: jsonText((value) => isObject(value), 'expected the JSON of an object'),
});

const message = v.strictObject({
  role: text,
  content: text,
  name: v.exactOptional(someText),
  reasoning_content: v.exactOptional(someText),
  tool_call_id: v.exactOptional(someText),
  tool_calls: v.exactOptional(v.pipe(v.array(toolCall), v.minLength(1))),
});

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;

/** A day of the proleptic Gregorian calendar from the year 1 on. */
function isDay(date: string): boolean {
  const [year = 0, month = 0, day = 0] = datePattern.exec(date)?.slice(1).map(Number) ?? [];
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return year >= 1 && day >= 1 && day <= (days[month - 1] ?? 0);
}

const gapKeys: ReadonlySet<string> = new Set(['role', 'content']);

export const input = v.pipe(
  v.strictObject({
    messages: v.pipe(v.array(message), v.minLength(1)),
    template: v.picklist(['gguf', 'raw', 'fim', 'embed']),
    options: v.custom<Record<string, string | number | boolean>>(
      isOptions,
      'expected options of text, integer or boolean',
    ),
    tools: v.nullable(tools),
    date: v.nullable(
      v.pipe(
        text,
        v.check((date) => isDay(date), 'expected a day YYYY-MM-DD'),
      ),
    ),
    continuation: u32s,
  }),
  v.check(
    ({ messages, template, options, tools, date }) =>
      template === 'gguf' ||
      template === 'embed' ||
      (messages.length === (template === 'raw' ? 1 : 2) &&
        Object.keys(options).length === 0 &&
        tools === null &&
        date === null),
    'a raw input has one message, one with a gap two, neither options, tools or a date',
  ),
  v.check(
    ({ messages, template }) =>
      template !== 'fim' ||
      messages.every((message) => message.role === 'user' && Object.keys(message).every((key) => gapKeys.has(key))),
    'the messages around a gap are a user’s with nothing but content',
  ),
  v.check(
    (value) => value.template !== 'embed' || isEmbedInput(value),
    'an input to embed has texts of users, no option but truncate, no tools, date or continuation',
  ),
);

/** Section 4.9: of an input with the template `embed`. */
function isEmbedInput({
  messages,
  options: { truncate, ...others },
  tools,
  date,
  continuation,
}: {
  readonly messages: readonly object[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly tools: unknown;
  readonly date: unknown;
  readonly continuation: readonly number[];
}): boolean {
  return (
    messages.every((one) => Object.keys(one).length === 2 && 'role' in one && one.role === 'user') &&
    (truncate === undefined || (Number.isSafeInteger(truncate) && Number(truncate) >= minTruncate)) &&
    Object.keys(others).length === 0 &&
    tools === null &&
    date === null &&
    continuation.length === 0
  );
}

/** `cbor(input)` (section 2), as `requestDigest` hashes it. @throws MalformedError */
export const encodeInput = encoder<Input>(input, 'input');

/** An input from decoded CBOR or JSON. @throws MalformedError */
export function parseInput(value: unknown): Input {
  return validated(input, value, 'input');
}
