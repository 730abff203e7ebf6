import type { JsonText } from '../json-text.ts';
import { compilePattern, lengthsOf } from '../pattern.ts';
import { searchOf, wholeOf } from '../regex.ts';
import { parseRegex } from '../regex-parser.ts';
import type { Items } from '../rule-builder.ts';
import type { Reader } from './keywords.ts';

const hour = '(?:[01]\\d|2[0-3])';
const time = `${hour}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${hour}:[0-5]\\d)`;
/** Without 29 February, which not every year has. */
const day = '0[1-9]|[12]\\d';
const date = `\\d{4}-(?:(?:0[13578]|1[02])-(?:${day}|3[01])|(?:0[469]|11)-(?:${day}|30)|02-(?:0[1-9]|1\\d|2[0-8]))`;
const byte = '(?:25[0-5]|2[0-4]\\d|1\\d{2}|[1-9]?\\d)';
const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?';
const host = `${label}(?:\\.${label}){0,5}`;
const durationTime = 'T(?:\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}S)';
const durationDate = '(?:\\d{1,4}Y(?:\\d{1,4}M(?:\\d{1,4}D)?)?|\\d{1,4}M(?:\\d{1,4}D)?|\\d{1,4}D)';
const group = '[0-9a-fA-F]{1,4}';

/** Formats by a pattern that every text of them matches; not every text of a format is offered. */
const formats: Readonly<Record<string, string>> = {
  date,
  time,
  'date-time': `${date}T${time}`,
  duration: `P(?:${durationDate}(?:${durationTime})?|${durationTime}|\\d{1,4}W)`,
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  ipv4: `${byte}(?:\\.${byte}){3}`,
  ipv6: `${group}(?::${group}){7}`,
  hostname: host,
  email: `[A-Za-z0-9_%+-]{1,32}(?:\\.[A-Za-z0-9_%+-]{1,16}){0,3}@${label}(?:\\.${label}){0,3}\\.[A-Za-z]{2,10}`,
  uri: `[a-z][a-z0-9+.-]{0,15}:\\/\\/${host}(?::[1-9]\\d{0,3})?(?:\\/[A-Za-z0-9._~%!$&'*+,;=:@()?#\\/-]{0,500})?`,
};
/** Formats that say how a program handles a text or a number, not what it looks like. */
const notes: ReadonlySet<string> = new Set(['password', 'binary', 'byte', 'int32', 'int64', 'float', 'double']);

/** Called with a keyword that cannot be followed. */
export type OnUnsupported = (keyword: string, detail?: string) => void;

/** The strings of a schema; null if there is none. */
export function stringItems(json: JsonText, schema: Reader, onUnsupported: OnUnsupported): Items | null {
  const [min, max] = [schema.count('minLength') ?? 0, schema.count('maxLength') ?? null];
  if (max !== null && min > max) return null;
  const pattern = schema.text('pattern');
  const format = formatOf(schema, onUnsupported);
  if (pattern === undefined && format === null) return json.string(min, max);
  if (pattern !== undefined && format !== null) onUnsupported('pattern', 'beside a format');
  const node = pattern === undefined ? wholeOf(parseRegex(format ?? '')) : searchOf(parseRegex(pattern));
  const lengths = lengthsOf(node);
  if (lengths.min < min) onUnsupported('minLength', 'beside a pattern or format that matches shorter texts');
  if (max !== null && (lengths.max === null || lengths.max > max))
    onUnsupported('maxLength', 'beside a pattern or format that matches longer texts');
  return json.quoted(compilePattern(json.rules, node, (ranges) => json.written(ranges)));
}

function formatOf(schema: Reader, onUnsupported: OnUnsupported): string | null {
  const name = schema.text('format');
  if (name === undefined || notes.has(name)) return null;
  if (Object.hasOwn(formats, name)) return formats[name] ?? null;
  onUnsupported('format', JSON.stringify(name.slice(0, 40)));
  return null;
}
