import { maxDigits } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { Attributed, Callable, Dict, DictView, Lazy, Markup, Range, Tuple, Undefined, type Value } from './values.ts';

/** `str(value)`. @throws TemplateError if Python would print a memory address */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  return value instanceof Undefined ? '' : reprOf(value, budget);
}

/** `repr(value)`. */
export function reprOf(value: Value, budget: Budget): string {
  return new Writer(budget).write(value);
}

/** Writes values as Python does, a list inside itself as `[...]`. */
class Writer {
  readonly #budget: Budget;
  readonly #open = new Set<Value>();

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  write(value: Value): string {
    this.#budget.spend(1);
    if (value === null) return 'None';
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (typeof value === 'bigint') return integerText(value);
    if (typeof value === 'number') return floatText(value);
    if (typeof value === 'string') return this.#quoted(value);
    if (value instanceof Undefined) return 'Undefined';
    if (value instanceof Range)
      return `range(${[value.start, value.stop, ...(value.step === 1n ? [] : [value.step])].join(', ')})`;
    return this.#nested(value, value instanceof Dict ? '{...}' : Array.isArray(value) ? '[...]' : '(...)');
  }

  #quoted(text: string): string {
    this.#budget.spendScan(text.length);
    return this.#budget.text(quoted(text));
  }

  #nested(value: Value, again: string): string {
    if (this.#open.has(value)) return again;
    this.#open.add(value);
    const text = this.#budget.text(this.#budget.deeper(() => this.#container(value)));
    this.#open.delete(value);
    return text;
  }

  #container(value: Value): string {
    if (Array.isArray(value)) return `[${this.#list(value)}]`;
    if (value instanceof Tuple) return `(${this.#list(value.items)}${value.items.length === 1 ? ',' : ''})`;
    if (value instanceof Dict) return `{${this.#pairs(value)}}`;
    if (value instanceof DictView) return this.#view(value);
    const shown =
      value instanceof Callable
        ? value.shown
        : value instanceof Attributed
          ? value.shown((part) => this.write(part))
          : null;
    if (shown === null) throw new TemplateError(`${nameOfType(value)} has no text`);
    return shown;
  }

  #list(items: Iterable<Value>): string {
    const parts: string[] = [];
    for (const item of items) parts.push(this.write(item));
    return this.#budget.join(parts, ', ');
  }

  #pairs(dict: Dict): string {
    const parts: string[] = [];
    for (const [key, value] of dict.entries()) parts.push(`${this.write(key)}: ${this.write(value)}`);
    return this.#budget.join(parts, ', ');
  }

  #view({ dict, part }: DictView): string {
    if (part === 'keys') return `dict_keys([${this.#list(dict.keys())}])`;
    if (part === 'values') return `dict_values([${this.#list(dict.values())}])`;
    const pairs = [...dict.entries()].map((pair) => new Tuple(pair));
    return `dict_items([${this.#list(pairs)}])`;
  }
}

export function nameOfType(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  if (typeof value === 'string') return 'str';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof DictView) return `dict_${value.part}`;
  if (value instanceof Range) return 'range';
  if (value instanceof Lazy) return 'generator';
  if (value instanceof Callable) return 'function';
  return value instanceof Undefined ? 'Undefined' : 'object';
}

export function integerText(value: bigint): string {
  const text = String(value);
  if (text.length > maxDigits) throw new BoundsError('its numbers grow too long');
  return text;
}

/** `repr` of a float: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16 on. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const point = Number(exponent) + 1;
  if (value !== 0 && (point < -3 || point > 16)) {
    const power = String(Math.abs(point - 1)).padStart(2, '0');
    return `${sign}${mantissa}e${point - 1 < 0 ? '-' : '+'}${power}`;
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  const padded = digits.padEnd(point, '0');
  return `${sign}${padded.slice(0, point)}.${padded.slice(point) || '0'}`;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\\', '\\\\'],
]);

/** `repr` of a text. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let written = '';
  for (const character of text) {
    if (character === quote) written += `\\${character}`;
    else written += escapes.get(character) ?? (isPrintable(character) ? character : codeEscape(character));
  }
  return quote + written + quote;
}

/** `str.isprintable` of one character. */
function isPrintable(character: string): boolean {
  return character === ' ' || !/[\p{C}\p{Z}]/u.test(character);
}

function codeEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
