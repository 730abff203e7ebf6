import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { isTrue, listOf } from '../values/iterate.ts';
import { countOf } from '../values/numbers.ts';
import { nameOfType } from '../values/repr.ts';
import {
  capitalised,
  charactersOf,
  hasCase,
  isSpace,
  lengthOf,
  pointIndex,
  replaceText,
  splitAt,
  splitAtFromEnd,
  splitAtSpace,
  splitAtSpaceFromEnd,
  splitLines,
  strip,
  swapped,
  titled,
} from '../values/text.ts';
import { type Arguments, Tuple, Undefined, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import type { Runtime } from './runtime.ts';
import { formatText } from './str-format.ts';

type Method = (text: string, args: Arguments, runtime: Runtime) => Value;

/** The method `name` of a text, or undefined. */
export function textMethod(text: string, name: string, runtime: Runtime): ((args: Arguments) => Value) | undefined {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) return undefined;
  return (args) => {
    runtime.budget.spendScan(text.length);
    return method(text, args, runtime);
  };
}

/** @throws TemplateError for anything but a text */
export function requireText(value: Value | undefined, what: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Undefined) throw new TemplateError(value.reason);
  throw new TemplateError(`${what}() takes a text, not ${value === undefined ? 'nothing' : nameOfType(value)}`);
}

/** A method without arguments. */
function plain(what: string, method: (text: string) => Value): Method {
  return (text, args) => {
    bind(what, args);
    return method(text);
  };
}

function stripping(what: string, left: boolean, right: boolean): Method {
  return (text, args, { budget }) => {
    const [characters = null] = bind(what, args, 'chars');
    const set = characters === null ? null : requireText(characters, what);
    budget.spendScan(set?.length ?? 0);
    return strip(text, set, left, right);
  };
}

function splitting(
  what: string,
  atSpace: (text: string, most: number) => string[],
  at: (text: string, separator: string, most: number) => string[],
): Method {
  return (text, args, { budget }) => {
    const [separator = null, maxsplit = -1n] = bind(what, args, 'sep', 'maxsplit');
    const most = countOf(maxsplit);
    if (separator === '') throw new TemplateError('empty separator');
    const mark = separator === null ? null : requireText(separator, what);
    budget.spendSearch(text.length, mark ?? '');
    const parts = mark === null ? atSpace(text, most) : at(text, mark, most);
    budget.spendItems(parts.length);
    return parts;
  };
}

function partition(what: string, fromEnd: boolean): Method {
  return (text, args, { budget }) => {
    const separator = requireText(bind(what, args, 'sep')[0], what);
    if (separator === '') throw new TemplateError('empty separator');
    budget.spendSearch(text.length, separator);
    const at = fromEnd ? text.lastIndexOf(separator) : text.indexOf(separator);
    if (at < 0) return new Tuple(fromEnd ? ['', '', text] : [text, '', '']);
    return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
  };
}

/** The part between `start` and `end`, by characters, as the search methods take it. */
function windowOf(text: string, start: Value, end: Value): { readonly text: string; readonly offset: number } {
  if (start === null && end === null) return { text, offset: 0 };
  const characters = charactersOf(text);
  const place = (bound: Value, missing: number): number => {
    const at = bound === null ? missing : countOf(bound);
    return Math.min(Math.max(at < 0 ? at + characters.length : at, 0), characters.length);
  };
  const from = place(start, 0);
  return { text: characters.slice(from, place(end, characters.length)).join(''), offset: from };
}

function edge(what: string, test: (text: string, part: string) => boolean): Method {
  return (text, args, { budget }) => {
    const [parts, start = null, end = null] = bind(what, args, 'prefix', 'start', 'end');
    const part = windowOf(text, start, end).text;
    const wanted = parts instanceof Tuple ? parts.items : [parts];
    return wanted.some((one) => test(part, budget.text(requireText(one, what))));
  };
}

function finding(what: string, fromEnd: boolean, mustBe: boolean): Method {
  return (text, args, { budget }) => {
    const [part, start = null, end = null] = bind(what, args, 'sub', 'start', 'end');
    const { text: inner, offset } = windowOf(text, start, end);
    const wanted = requireText(part, what);
    budget.spendSearch(inner.length, wanted);
    const at = pointIndex(inner, fromEnd ? inner.lastIndexOf(wanted) : inner.indexOf(wanted));
    if (at < 0 && mustBe) throw new TemplateError('substring not found');
    return BigInt(at < 0 ? -1 : at + offset);
  };
}

function counted(text: string, part: string): number {
  return part === '' ? lengthOf(text) + 1 : text.split(part).length - 1;
}

function justifying(what: string, side: 'left' | 'right' | 'both'): Method {
  return (text, args, { budget }) => {
    const [width, fill = ' '] = bind(what, args, 'width', 'fillchar');
    return padText(text, countOf(required(what, 'width', width)), requireText(fill, what), side, budget);
  };
}

/** Fills up to `width` characters; `side` is where the text stands. */
export function padText(
  text: string,
  width: number,
  fill: string,
  side: 'left' | 'right' | 'both',
  budget: Budget,
): string {
  if (lengthOf(fill) !== 1) throw new TemplateError('the fill character must be exactly one character long');
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  budget.spendText(text.length + missing * fill.length);
  // Python puts the odd one behind only if the width is even.
  const before = side === 'left' ? 0 : side === 'right' ? missing : Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(before) + text + fill.repeat(missing - before);
}

/** `replace`, its result paid for before it is made. */
export function replacePaid(text: string, from: string, to: string, most: number, budget: Budget): string {
  budget.spendText(text.length);
  budget.spendSearch(text.length, from);
  const places = most < 0 ? counted(text, from) : Math.min(most, counted(text, from));
  budget.spendText(text.length + places * Math.max(0, to.length - from.length));
  return replaceText(text, from, to, most);
}

function zeroFilled(text: string, width: number, budget: Budget): string {
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + padText(text.slice(sign.length), width - sign.length, '0', 'right', budget);
}

function allOf(text: string, pattern: RegExp): boolean {
  return text !== '' && charactersOf(text).every((character) => pattern.test(character));
}

/** Python's methods of `str` that only read. */
const methods: Readonly<Record<string, Method>> = {
  upper: plain('upper', (text) => text.toUpperCase()),
  lower: plain('lower', (text) => text.toLowerCase()),
  casefold: plain('casefold', (text) => text.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ')),
  title: plain('title', titled),
  capitalize: plain('capitalize', capitalised),
  swapcase: plain('swapcase', swapped),
  strip: stripping('strip', true, true),
  lstrip: stripping('lstrip', true, false),
  rstrip: stripping('rstrip', false, true),
  split: splitting('split', splitAtSpace, splitAt),
  rsplit: splitting('rsplit', splitAtSpaceFromEnd, splitAtFromEnd),
  partition: partition('partition', false),
  rpartition: partition('rpartition', true),
  startswith: edge('startswith', (text, part) => text.startsWith(part)),
  endswith: edge('endswith', (text, part) => text.endsWith(part)),
  find: finding('find', false, false),
  rfind: finding('rfind', true, false),
  index: finding('index', false, true),
  rindex: finding('rindex', true, true),
  ljust: justifying('ljust', 'left'),
  rjust: justifying('rjust', 'right'),
  center: justifying('center', 'both'),
  isspace: plain('isspace', isSpace),
  isupper: plain('isupper', (text) => hasCase(text, 'upper')),
  islower: plain('islower', (text) => hasCase(text, 'lower')),
  istitle: plain('istitle', (text) => /\p{Cased}/u.test(text) && titled(text) === text),
  isalpha: plain('isalpha', (text) => allOf(text, /\p{L}/u)),
  isalnum: plain('isalnum', (text) => allOf(text, /[\p{L}\p{N}]/u)),
  isdecimal: plain('isdecimal', (text) => allOf(text, /\p{Nd}/u)),
  isdigit: plain('isdigit', (text) => allOf(text, /[\p{Nd}²³¹⁰⁴-⁹₀-₉]/u)),
  isnumeric: plain('isnumeric', (text) => allOf(text, /\p{N}/u)),
  isascii: plain('isascii', (text) => !/[^\u0000-\u007f]/.test(text)),
  isidentifier: plain('isidentifier', (text) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text)),
  splitlines(text, args, { budget }) {
    const [keepEnds = false] = bind('splitlines', args, 'keepends');
    const lines = splitLines(text, isTrue(keepEnds));
    budget.spendItems(lines.length);
    return lines;
  },
  replace(text, args, { budget }) {
    const [from, to, count = -1n] = bind('replace', args, 'old', 'new', 'count');
    return replacePaid(text, requireText(from, 'replace'), requireText(to, 'replace'), countOf(count), budget);
  },
  count(text, args, { budget }) {
    const [part, start = null, end = null] = bind('count', args, 'sub', 'start', 'end');
    const [inner, wanted] = [windowOf(text, start, end).text, requireText(part, 'count')];
    budget.spendSearch(inner.length, wanted);
    return BigInt(counted(inner, wanted));
  },
  join(text, args, { budget }) {
    const items = listOf(required('join', 'iterable', bind('join', args, 'iterable')[0]), budget);
    return budget.join(
      items.map((item) => requireText(item, 'join')),
      text,
    );
  },
  removeprefix(text, args) {
    const prefix = requireText(bind('removeprefix', args, 'prefix')[0], 'removeprefix');
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix(text, args) {
    const suffix = requireText(bind('removesuffix', args, 'suffix')[0], 'removesuffix');
    return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  zfill(text, args, { budget }) {
    return zeroFilled(text, countOf(required('zfill', 'width', bind('zfill', args, 'width')[0])), budget);
  },
  expandtabs(text, args, { budget }) {
    const size = Math.max(0, countOf(bind('expandtabs', args, 'tabsize')[0] ?? 8n));
    budget.spendText(text.length + counted(text, '\t') * size);
    let column = 0;
    return charactersOf(text)
      .map((character) => {
        const width = character === '\t' ? (size === 0 ? 0 : size - (column % size)) : 1;
        column = character === '\n' || character === '\r' ? 0 : column + width;
        return character === '\t' ? ' '.repeat(width) : character;
      })
      .join('');
  },
  format: (text, args, runtime) => formatText(text, args, runtime, runtime.budget),
};
