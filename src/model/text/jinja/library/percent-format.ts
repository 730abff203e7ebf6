import { maxTextLength } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { numberOf } from '../values/compare.ts';
import { countOf, exponentText, fixedText, generalText, type Numeric } from '../values/numbers.ts';
import { nameOfType, reprOf, textOf } from '../values/repr.ts';
import { charactersOf, lengthOf } from '../values/text.ts';
import { Dict, Range, Tuple, Undefined, type Value } from '../values/values.ts';

const directive = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?(.?)/gsu;

interface Spec {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | null;
  readonly kind: string;
}

/** `format % values`, printf style. @throws TemplateError for values that do not fit the format */
export function percentFormat(format: string, values: Value, budget: Budget): string {
  const source = new ValueSource(values);
  const parts: string[] = [];
  let at = 0;
  for (const found of format.matchAll(directive)) {
    const [whole, key, flags = '', width, precision, kind = ''] = found;
    parts.push(format.slice(at, found.index));
    at = found.index + whole.length;
    if (kind === '%') {
      parts.push('%');
      continue;
    }
    const spec = { flags, ...sizes(width, precision, source), kind };
    parts.push(formatOne(spec, key === undefined ? source.next() : source.named(key), budget));
  }
  parts.push(format.slice(at));
  source.finish();
  return budget.join(parts, '');
}

function sizes(
  width: string | undefined,
  precision: string | undefined,
  source: ValueSource,
): { readonly width: number; readonly precision: number | null } {
  const read = (text: string): number => (text === '*' ? countOf(source.next()) : Number(text));
  return {
    width: width === undefined ? 0 : read(width),
    precision: precision === undefined ? null : read(precision === '' ? '0' : precision),
  };
}

/** Hands out the values in order, or by name from a dict. */
class ValueSource {
  readonly #values: readonly Value[];
  readonly #dict: Dict | null;
  /** Python takes all that has items by key for a mapping, and lets it be left over. */
  readonly #isMapping: boolean;
  #at = 0;

  constructor(values: Value) {
    this.#values = values instanceof Tuple ? values.items : [values];
    this.#dict = values instanceof Dict ? values : null;
    this.#isMapping = values instanceof Dict || Array.isArray(values) || values instanceof Range;
  }

  next(): Value {
    const value = this.#values[this.#at++];
    if (value === undefined) throw new TemplateError('not enough arguments for format string');
    return value;
  }

  named(key: string): Value {
    if (this.#dict === null) throw new TemplateError('format requires a mapping');
    const value = this.#dict.get(key);
    if (value === undefined) throw new TemplateError(`the format names '${key}', which is missing`);
    return value;
  }

  finish(): void {
    if (!this.#isMapping && this.#at < this.#values.length)
      throw new TemplateError('not all arguments converted during string formatting');
  }
}

function formatOne(spec: Spec, value: Value, budget: Budget): string {
  if (spec.width > maxTextLength || (spec.precision ?? 0) > maxTextLength)
    throw new BoundsError('its text grows too long');
  if (spec.kind === 's' || spec.kind === 'r' || spec.kind === 'a') {
    const text = spec.kind === 's' ? textOf(value, budget) : reprOf(value, budget);
    return padded(spec.precision === null ? text : charactersOf(text).slice(0, spec.precision).join(''), spec, budget);
  }
  if (spec.kind === 'c') return padded(characterOf(value), spec, budget);
  const body = numberBody(spec, numberFor(spec.kind, value));
  return padded(body, spec, budget);
}

function characterOf(value: Value): string {
  if (typeof value === 'string' && lengthOf(value) === 1) return value;
  const code = typeof value === 'bigint' ? Number(value) : -1;
  if (!(code >= 0 && code <= 0x10ffff)) throw new TemplateError('%c requires int or char');
  return String.fromCodePoint(code);
}

function numberFor(kind: string, value: Value): Numeric {
  const number = numberOf(value);
  if (number === null || (typeof number === 'number' && /[xXo]/.test(kind)))
    throw new TemplateError(
      value instanceof Undefined ? value.reason : `%${kind} format: a number is required, not ${nameOfType(value)}`,
    );
  if (/[diu]/.test(kind) && typeof number === 'number') {
    if (!Number.isFinite(number)) throw new TemplateError('cannot convert float to integer');
    return BigInt(Math.trunc(number));
  }
  return number;
}

/** Sign, prefix and digits. */
function numberBody({ flags, precision, kind }: Spec, number: Numeric): string {
  const text = /[diuxXo]/.test(kind)
    ? integerBody(kind, flags, precision, BigInt(number))
    : floatBody(kind, precision, Number(number), flags);
  if (text.startsWith('-')) return text;
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text;
}

function integerBody(kind: string, flags: string, precision: number | null, number: bigint): string {
  const [base, prefix] = kind === 'o' ? [8, '0o'] : /[xX]/.test(kind) ? [16, `0${kind}`] : [10, ''];
  const magnitude = (number < 0n ? -number : number).toString(base).padStart(precision ?? 0, '0');
  const digits = kind === 'X' ? magnitude.toUpperCase() : magnitude;
  return (number < 0n ? '-' : '') + (flags.includes('#') ? prefix : '') + digits;
}

function floatBody(kind: string, precision: number | null, number: number, flags: string): string {
  const lower = kind.toLowerCase();
  if (!'feg'.includes(lower) || lower === '') throw new TemplateError(`unsupported format character '${kind}'`);
  const text = !Number.isFinite(number)
    ? Number.isNaN(number)
      ? 'nan'
      : number < 0
        ? '-inf'
        : 'inf'
    : lower === 'f'
      ? fixedText(number, precision ?? 6)
      : lower === 'e'
        ? exponentText(number, precision ?? 6)
        : generalText(number, precision ?? 6, flags.includes('#'));
  return kind === lower ? text : text.toUpperCase();
}

function padded(text: string, { flags, width, kind }: Spec, budget: Budget): string {
  const missing = Math.abs(width) - lengthOf(text);
  if (missing <= 0) return text;
  budget.spendText(missing + text.length);
  if (flags.includes('-') || width < 0) return text + ' '.repeat(missing);
  if (!flags.includes('0') || !/[diuxXofFeEgG]/.test(kind)) return ' '.repeat(missing) + text;
  const head = /^[+\- ]?(?:0[xXo])?/.exec(text)?.[0] ?? '';
  return head + '0'.repeat(missing) + text.slice(head.length);
}
