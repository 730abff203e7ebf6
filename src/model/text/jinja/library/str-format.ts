import { maxTextLength } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { numberOf } from '../values/compare.ts';
import { exponentText, fixedText, generalText, type Numeric } from '../values/numbers.ts';
import { floatText, nameOfType, reprOf, textOf } from '../values/repr.ts';
import { charactersOf, lengthOf } from '../values/text.ts';
import type { Arguments, Value } from '../values/values.ts';

export interface Lookup {
  attribute(value: Value, name: string): Value;
  item(value: Value, key: Value): Value;
}

/** `format.format(…)`. @throws TemplateError for a field that the arguments do not fill */
export function formatText(format: string, args: Arguments, lookup: Lookup, budget: Budget): string {
  const parts: string[] = [];
  let automatic = 0;
  const pattern = /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}|[{}]/g;
  const lookUp = (field: string): Value => {
    const [, name = '', path = ''] = /^([^.[]*)(.*)$/s.exec(field) ?? [];
    const first =
      name === ''
        ? args.positional[automatic++]
        : /^\d+$/.test(name)
          ? args.positional[Number(name)]
          : args.named.get(name);
    if (first === undefined) throw new TemplateError(`the format has no value for '${field}'`);
    return followPath(first, path, lookup);
  };
  let at = 0;
  for (const found of format.matchAll(pattern)) {
    const [whole, field, conversion, spec = ''] = found;
    parts.push(format.slice(at, found.index));
    at = found.index + whole.length;
    if (whole === '{{' || whole === '}}') parts.push(whole[0] ?? '');
    else if (field === undefined) throw new TemplateError(`single '${whole}' encountered in format string`);
    else {
      const value = lookUp(field);
      const inner = spec.replace(/\{([^{}]*)\}/g, (_, nested: string) => textOf(lookUp(nested), budget));
      const shown =
        conversion === undefined ? value : conversion === 's' ? textOf(value, budget) : reprOf(value, budget);
      parts.push(formatValue(shown, inner, budget));
    }
  }
  parts.push(format.slice(at));
  return budget.join(parts, '');
}

function followPath(first: Value, path: string, lookup: Lookup): Value {
  let value = first;
  for (const [, attribute, item] of path.matchAll(/\.([^.[]+)|\[([^\]]*)\]/g)) {
    if (attribute !== undefined) value = lookup.attribute(value, attribute);
    else value = lookup.item(value, /^\d+$/.test(item ?? '') ? BigInt(item ?? '') : (item ?? ''));
  }
  return value;
}

const specPattern = /^(?:(.)?([<>=^]))?([+\- ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su;

/** `format(value, spec)`. */
function formatValue(value: Value, spec: string, budget: Budget): string {
  if (spec === '') return textOf(value, budget);
  const found = specPattern.exec(spec);
  if (found === null) throw new TemplateError(`invalid format specifier '${spec}'`);
  const [, fill, align, sign = '-', alternate, zero, width, grouping = '', precision, kind] = found;
  const places = precision === undefined ? null : Number(precision);
  if (Number(width ?? 0) > maxTextLength || (places ?? 0) > maxTextLength)
    throw new BoundsError('its text grows too long');
  const number = numberOf(value);
  const isNumber = number !== null && (typeof value !== 'boolean' || kind !== undefined);
  if (!isNumber && typeof value !== 'string' && typeof value !== 'boolean')
    throw new TemplateError(`unsupported format string passed to ${nameOfType(value)}`);
  const body = isNumber
    ? numberText(number, kind, places, grouping, alternate !== undefined)
    : stringText(textOf(value, budget), kind, places);
  const head = body.startsWith('-') ? '-' : isNumber && sign !== '-' ? sign : '';
  const rest = body.startsWith('-') ? body.slice(1) : body;
  const usual = isNumber ? '>' : '<';
  return aligned(
    head,
    rest,
    {
      fill: fill ?? (zero === undefined ? ' ' : '0'),
      align: align ?? (zero !== undefined && isNumber ? '=' : usual),
      width: Number(width ?? 0),
    },
    budget,
  );
}

function stringText(text: string, kind: string | undefined, places: number | null): string {
  if (kind !== undefined && kind !== 's') throw new TemplateError(`unknown format code '${kind}' for a str`);
  return places === null ? text : charactersOf(text).slice(0, places).join('');
}

function numberText(
  number: Numeric,
  kind: string | undefined,
  places: number | null,
  grouping: string,
  alternate: boolean,
): string {
  if (typeof number === 'bigint' && (kind === undefined || 'dbxXoc'.includes(kind)))
    return integerText(number, kind ?? 'd', grouping, alternate);
  const value = Number(number);
  const lower = (kind ?? 'g').toLowerCase();
  let text: string;
  if (!Number.isFinite(value)) text = floatText(value);
  else if (kind === undefined && places === null) text = floatText(value);
  else if (lower === 'f') text = fixedText(number, places ?? 6);
  else if (lower === 'e') text = exponentText(value, places ?? 6);
  else if (lower === 'g') text = generalText(value, places ?? 6);
  else if (lower === '%') text = `${fixedText(value * 100, places ?? 6)}%`;
  else throw new TemplateError(`unknown format code '${kind ?? ''}' for a float`);
  const cased = kind !== undefined && kind !== lower ? text.toUpperCase() : text;
  return grouping === '' ? cased : cased.replace(/^-?\d+/, (digits) => grouped(digits, grouping, 3));
}

function integerText(number: bigint, kind: string, grouping: string, alternate: boolean): string {
  if (kind === 'c') return String.fromCodePoint(Number(number));
  const base = { d: 10, b: 2, o: 8 }[kind] ?? 16;
  const magnitude = (number < 0n ? -number : number).toString(base);
  const digits = kind === 'X' ? magnitude.toUpperCase() : magnitude;
  const prefix = alternate && base !== 10 ? `0${kind}` : '';
  return (
    (number < 0n ? '-' : '') + prefix + (grouping === '' ? digits : grouped(digits, grouping, base === 10 ? 3 : 4))
  );
}

function grouped(digits: string, separator: string, size: number): string {
  const sign = digits.startsWith('-') ? '-' : '';
  const plain = digits.slice(sign.length);
  const parts: string[] = [];
  for (let end = plain.length; end > 0; end -= size) parts.unshift(plain.slice(Math.max(0, end - size), end));
  return sign + parts.join(separator);
}

function aligned(
  head: string,
  body: string,
  { fill, align, width }: { readonly fill: string; readonly align: string; readonly width: number },
  budget: Budget,
): string {
  const missing = Math.max(0, width - lengthOf(head) - lengthOf(body));
  budget.spendText(missing * fill.length + body.length);
  if (align === '=') return head + fill.repeat(missing) + body;
  const before = align === '>' ? missing : align === '^' ? Math.floor(missing / 2) : 0;
  return fill.repeat(before) + head + body + fill.repeat(missing - before);
}
