import { maxDigits } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import { numberOf } from './compare.ts';
import { nameOfType } from './repr.ts';
import { strip } from './text.ts';
import { Undefined, type Value } from './values.ts';

/** Bits of the longest integer that Python prints. */
const maxBits = Math.ceil(maxDigits * Math.log2(10));
/** Decimal places that a number may be rounded or written to. */
const maxPlaces = 4_000;

export type Numeric = bigint | number;
export type Operator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

/** Python's arithmetic of two numbers; integers are exact. @throws TemplateError for a division by zero */
export function calculate(operator: Operator, a: Numeric, b: Numeric): Numeric {
  if (typeof a === 'bigint' && typeof b === 'bigint') return bounded(calculateIntegers(operator, a, b));
  return calculateFloats(operator, Number(a), Number(b));
}

function calculateIntegers(operator: Operator, a: bigint, b: bigint): Numeric {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '**':
      if (b < 0n) return calculateFloats('**', Number(a), Number(b));
      if (BigInt(bitsOf(a)) * b > BigInt(maxBits)) throw new BoundsError('its numbers grow too long');
      return a ** b;
    default:
      if (b === 0n) throw new TemplateError('division by zero');
      if (operator === '/') return Number(a) / Number(b);
      return operator === '//' ? floorDivide(a, b) : a - floorDivide(a, b) * b;
  }
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return quotient * b !== a && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

function calculateFloats(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '**': {
      const power = a ** b;
      if (a === 0 && b < 0) throw new TemplateError('zero cannot be raised to a negative power');
      if (!Number.isFinite(power) && Number.isFinite(a) && Number.isFinite(b))
        throw new TemplateError('the power is no number');
      return power;
    }
    default: {
      if (b === 0) throw new TemplateError('division by zero');
      if (operator === '/') return a / b;
      const rest = a % b;
      const modulus = rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
      return operator === '%' ? modulus : Math.round((a - modulus) / b);
    }
  }
}

function bounded(value: Numeric): Numeric {
  if (typeof value === 'bigint' && bitsOf(value) > maxBits) throw new BoundsError('its numbers grow too long');
  return value;
}

function bitsOf(value: bigint): number {
  return (value < 0n ? -value : value).toString(16).length * 4;
}

/** An index or count. @throws TemplateError for anything but an integer or a bool */
export function integerOf(value: Value): bigint {
  const number = numberOf(value);
  if (typeof number === 'bigint') return number;
  if (value instanceof Undefined) throw new TemplateError(value.reason);
  throw new TemplateError(`'${nameOfType(value)}' object cannot be interpreted as an integer`);
}

/** An index or count as a JavaScript number: beyond any list if it is beyond 2^53. */
export function countOf(value: Value): number {
  return Number(integerOf(value));
}

/** `int(value, base)`, or null if Python raises. */
export function parseInteger(text: string, base: number): bigint | null {
  const found = /^([+-]?)(?:0([bxo])_?)?([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(strip(text, null, true, true));
  if (found === null) return parsePlain(text, base);
  const [, sign = '', prefix = '', digits = ''] = found;
  const ofPrefix = { b: 2, o: 8, x: 16 }[prefix.toLowerCase()];
  if (ofPrefix !== undefined && base !== ofPrefix && base !== 0) return parsePlain(text, base);
  if (base === 0 && ofPrefix === undefined && /^0[0_]*[1-9]/.test(digits)) return null;
  const magnitude = digitsOf(digits, ofPrefix ?? (base === 0 ? 10 : base));
  return magnitude === null ? null : sign === '-' ? -magnitude : magnitude;
}

/** Digits in which "0b" or "0x" is no prefix but digits of the base. */
function parsePlain(text: string, base: number): bigint | null {
  const found = /^([+-]?)([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(strip(text, null, true, true));
  const magnitude = found === null ? null : digitsOf(found[2] ?? '', base);
  return magnitude === null ? null : found?.[1] === '-' ? -magnitude : magnitude;
}

function digitsOf(text: string, base: number): bigint | null {
  const digits = text.replaceAll('_', '').toLowerCase();
  if (!(base >= 2 && base <= 36) || digits.length > maxDigits) return null;
  let value = 0n;
  for (const digit of digits) {
    const worth = Number.parseInt(digit, 36);
    if (worth >= base) return null;
    value = value * BigInt(base) + BigInt(worth);
  }
  return value;
}

/** `float(text)`, or null if Python raises. */
export function parseFloating(text: string): number | null {
  const stripped = strip(text, null, true, true);
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(stripped);
  if (word !== null) {
    const value = word[2]?.toLowerCase() === 'nan' ? Number.NaN : Number.POSITIVE_INFINITY;
    return word[1] === '-' ? -value : value;
  }
  const digits = String.raw`\d+(?:_\d+)*`;
  const form = new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:e[+-]?${digits})?$`, 'i');
  return form.test(stripped) ? Number(stripped.replaceAll('_', '')) : null;
}

/** The value times 10^`places`, rounded half to even from its exact binary value. */
function scaled(value: number, places: number): bigint {
  if (Math.abs(places) > maxPlaces) throw new BoundsError('its numbers grow too long');
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const power = Math.max(exponent, 1) - 1075;
  let numerator = exponent === 0 ? fraction : fraction | (1n << 52n);
  let denominator = 1n;
  if (power >= 0) numerator <<= BigInt(power);
  else denominator <<= BigInt(-power);
  if (places >= 0) numerator *= 10n ** BigInt(places);
  else denominator *= 10n ** BigInt(-places);
  const rounded = divideHalfEven(numerator, denominator);
  return value < 0 ? -rounded : rounded;
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator - quotient * denominator) * 2n;
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** `'%.<places>f' % value` of a finite number. */
export function fixedText(value: Numeric, places: number): string {
  if (typeof value === 'bigint') return `${value}${places === 0 ? '' : `.${'0'.repeat(places)}`}`;
  const isNegative = value < 0 || Object.is(value, -0);
  const whole = scaled(value, places);
  const digits = String(whole < 0n ? -whole : whole).padStart(places + 1, '0');
  const point = digits.length - places;
  return (isNegative ? '-' : '') + digits.slice(0, point) + (places === 0 ? '' : `.${digits.slice(point)}`);
}

/** `'%.<places>e' % value` of a finite number. */
export function exponentText(value: number, places: number): string {
  if (places > maxPlaces) throw new BoundsError('its numbers grow too long');
  if (value === 0) return `${Object.is(value, -0) ? '-' : ''}${fixedText(0, places)}e+00`;
  let exponent = Math.floor(Math.log10(Math.abs(value)));
  let digits = scaled(Math.abs(value), places - exponent);
  const least = 10n ** BigInt(places);
  // The logarithm, or the rounding, may be one off.
  if (digits < least) digits = scaled(Math.abs(value), places - --exponent);
  if (digits >= least * 10n) digits = scaled(Math.abs(value), places - ++exponent);
  const text = String(digits);
  const mantissa = places === 0 ? text : `${text[0]}.${text.slice(1)}`;
  return `${value < 0 ? '-' : ''}${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** `'%.<digits>g' % value` of a finite number. */
export function generalText(value: number, digits: number, keepZeros = false): string {
  const precision = Math.max(1, digits);
  const written = exponentText(value, precision - 1);
  const exponent = Number(written.split('e')[1]);
  const trim = (text: string): string =>
    keepZeros || !text.includes('.') ? text : text.replace(/0+$/, '').replace(/\.$/, '');
  if (exponent >= -4 && exponent < precision) return trim(fixedText(value, precision - 1 - exponent));
  const [mantissa = '', power = ''] = written.split('e');
  return `${trim(mantissa)}e${power}`;
}

/** `round(value, places)`. */
export function roundNumber(value: Numeric, places: number): Numeric {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || places > 340) return value;
    const text = places >= 0 ? fixedText(value, places) : `${scaled(value, places)}e${-places}`;
    const rounded = Number(text);
    return rounded === 0 && value < 0 ? -0 : rounded;
  }
  if (places >= 0) return value;
  if (-places > maxDigits) return 0n;
  const unit = 10n ** BigInt(-places);
  const magnitude = divideHalfEven(value < 0n ? -value : value, unit) * unit;
  return value < 0n ? -magnitude : magnitude;
}

/** A number. @throws TemplateError for anything else */
export function requireNumber(value: Value): Numeric {
  const number = numberOf(value);
  if (number !== null) return number;
  throw new TemplateError(value instanceof Undefined ? value.reason : `'${nameOfType(value)}' is not a number`);
}
