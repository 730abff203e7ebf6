import { quoted, type RequestFields } from './request-fields.ts';

/**
 * Reads content: one text, or a list of parts that hold texts. Null or missing content counts as empty.
 * @param types the part types whose text counts
 * @param dropped the part types to leave out. @default none
 * @throws Problem
 */
export function readContent(
  fields: RequestFields,
  name: string,
  types: readonly string[],
  dropped: readonly string[] = [],
): string {
  const raw = fields.raw(name);
  if (!Array.isArray(raw)) return fields.text(name) ?? '';
  return raw.map((part: unknown, at) => readPart(fields.item(name, at, part), types, dropped)).join('');
}

function readPart(part: RequestFields, types: readonly string[], dropped: readonly string[]): string {
  const type = part.raw('type');
  if (typeof type === 'string' && dropped.includes(type)) {
    part.ignoreRest();
    return '';
  }
  if (typeof type !== 'string' || !types.includes(type)) {
    part.refuse('type', quoted(type));
    part.ignoreRest();
    return '';
  }
  const text = part.text('text');
  if (text === undefined) throw part.bad('text', 'text');
  part.done();
  return text;
}
