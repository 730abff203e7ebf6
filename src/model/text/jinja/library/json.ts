import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { sorted } from '../values/compare.ts';
import { floatText, integerText, nameOfType, textOf } from '../values/repr.ts';
import { Dict, Tuple, type Value } from '../values/values.ts';

export interface JsonStyle {
  readonly ensureAscii: boolean;
  /** Text of one level, or null for all in one line. */
  readonly indent: string | null;
  readonly separators: readonly [item: string, key: string];
  readonly sortKeys: boolean;
}

/** `json.dumps(value, …)`. @throws TemplateError for a value that JSON does not have, or one inside itself */
export function writeJson(value: Value, style: JsonStyle, budget: Budget): string {
  return new JsonWriter(style, budget).write(value, 0);
}

class JsonWriter {
  readonly #style: JsonStyle;
  readonly #budget: Budget;
  readonly #open = new Set<Value>();

  constructor(style: JsonStyle, budget: Budget) {
    this.#style = style;
    this.#budget = budget;
  }

  write(value: Value, level: number): string {
    this.#budget.spend(1);
    if (value === null || typeof value === 'boolean') return String(value);
    if (typeof value === 'bigint') return integerText(value);
    if (typeof value === 'number') return numberText(value);
    if (typeof value === 'string') return this.#text(value);
    if (!(Array.isArray(value) || value instanceof Tuple || value instanceof Dict))
      throw new TemplateError(`Object of type ${nameOfType(value)} is not JSON serializable`);
    if (this.#open.has(value)) throw new TemplateError('Circular reference detected');
    this.#open.add(value);
    const text = this.#budget.deeper(() =>
      value instanceof Dict
        ? this.#framed('{', this.#pairs(value, level), '}', level)
        : this.#framed('[', this.#items(Array.isArray(value) ? value : value.items, level), ']', level),
    );
    this.#open.delete(value);
    return text;
  }

  #items(items: readonly Value[], level: number): string[] {
    return items.map((item) => this.write(item, level + 1));
  }

  #pairs(dict: Dict, level: number): string[] {
    const pairs = [...dict.entries()].map((pair) => new Tuple(pair));
    const ordered = this.#style.sortKeys ? sorted(pairs, keyOfPair, false, this.#budget) : pairs;
    return ordered.map((pair) => {
      const [key = null, value = null] = (pair as Tuple).items;
      return this.#text(this.#keyText(key)) + this.#style.separators[1] + this.write(value, level + 1);
    });
  }

  #keyText(key: Value): string {
    if (typeof key === 'string') return key;
    if (key === null || typeof key === 'boolean') return String(key);
    if (typeof key === 'number') return numberText(key);
    if (typeof key === 'bigint') return textOf(key, this.#budget);
    throw new TemplateError(`keys must be str, int, float, bool or None, not ${nameOfType(key)}`);
  }

  #framed(open: string, parts: readonly string[], close: string, level: number): string {
    const { indent, separators } = this.#style;
    if (parts.length === 0 || indent === null)
      return this.#budget.text(open + this.#budget.join(parts, separators[0]) + close);
    this.#budget.spendText(indent.length * level);
    const line = `\n${indent.repeat(level)}`;
    const inner = `${line}${indent}`;
    return this.#budget.text(open + inner + this.#budget.join(parts, separators[0] + inner) + line + close);
  }

  #text(text: string): string {
    this.#budget.spendScan(text.length);
    const written = `"${text.replace(/["\\\u0000-\u001f]/g, escaped)}"`;
    return this.#style.ensureAscii ? written.replace(/[^ -~]/g, unicodeEscape) : written;
  }
}

function keyOfPair(pair: Value): Value {
  return pair instanceof Tuple ? (pair.items[0] ?? null) : null;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? floatText(value) : value < 0 ? '-Infinity' : 'Infinity';
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\b', '\\b'],
  ['\f', '\\f'],
]);

function escaped(character: string): string {
  return escapes.get(character) ?? unicodeEscape(character);
}

/** Of one UTF-16 unit: JSON writes a character beyond U+FFFF as two. */
function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
