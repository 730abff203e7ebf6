import type { Fields } from './cbor.ts';

/** The form of messages: a test for every field, nothing missing, nothing more. */

export type Rule = (value: unknown) => boolean;

export const int =
  (low: number, high: number): Rule =>
  (value) =>
    Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= low && (value as number) <= high;
export const u32 = int(0, 2 ** 32 - 1);
export const count = int(0, Number.MAX_SAFE_INTEGER);
export const raw =
  (length: number): Rule =>
  (value) =>
    value instanceof Uint8Array && value.length === length;
export const anyRaw: Rule = (value) => value instanceof Uint8Array;
export const text: Rule = (value) => typeof value === 'string' && value.isWellFormed();
export const bool: Rule = (value) => typeof value === 'boolean';
export const one =
  (...values: readonly unknown[]): Rule =>
  (value) =>
    values.includes(value);
export const maybe =
  (rule: Rule): Rule =>
  (value) =>
    value === null || rule(value);
export const list =
  (rule: Rule, most = Infinity, least = 0): Rule =>
  (value) =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every(rule);
export const map =
  (rules: Readonly<Record<string, Rule>>, optional: Readonly<Record<string, Rule>> = {}): Rule =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(rules).every(([key, rule]) => Object.hasOwn(value, key) && rule((value as Fields)[key])) &&
    Object.entries(value).every(
      ([key, item]) => Object.hasOwn(rules, key) || (Object.hasOwn(optional, key) && (optional[key]?.(item) ?? false)),
    );

/** A JSON text: a key twice shows in the number of colons, a number in another form in its literal. */
export function parsedJson(json: string): unknown {
  const outside = json.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  let keys = 0;
  const value: unknown = JSON.parse(json);
  const visit = (item: unknown): void => {
    if (typeof item === 'string' && !item.isWellFormed()) throw new Error('a lone surrogate');
    if (Array.isArray(item)) item.forEach(visit);
    else if (typeof item === 'object' && item !== null)
      for (const [key, inner] of Object.entries(item)) {
        keys++;
        visit(key);
        visit(inner);
      }
  };
  visit(value);
  if (keys !== (outside.match(/:/g) ?? []).length) throw new Error('a key twice');
  for (const literal of outside.match(/-?\d[\d.eE+-]*/g) ?? [])
    if (JSON.stringify(Number(literal)) !== literal) throw new Error('a number in another form');
  return value;
}

/** Whether `json` is the text of a JSON value that is as `rule` says. */
export const jsonOf =
  (rule: Rule): Rule =>
  (json) => {
    try {
      return typeof json === 'string' && rule(parsedJson(json));
    } catch {
      return false;
    }
  };

export const ascending = (values: readonly number[]): boolean =>
  values.every((value, at) => at === 0 || value > (values[at - 1] ?? value));
