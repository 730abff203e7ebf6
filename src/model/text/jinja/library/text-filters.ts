import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { isIterable, isTrue } from '../values/iterate.ts';
import { countOf } from '../values/numbers.ts';
import { textOf } from '../values/repr.ts';
import { capitalised, charactersOf, isSpaceAt, lengthOf, splitLines, strip } from '../values/text.ts';
import { Dict, Markup, Tuple, Undefined, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import { entriesOf } from './container-methods.ts';
import { percentFormat } from './percent-format.ts';
import type { Filter } from './runtime.ts';
import { padText, replacePaid, requireText } from './text-methods.ts';

/** A filter of the value's text without arguments. */
function ofText(change: (text: string) => string): Filter {
  return (value, args, { budget }) => {
    bind('filter', args);
    const text = textOf(value, budget);
    budget.spendScan(text.length);
    return budget.text(change(text));
  };
}

/** Words begin behind white space and some brackets; unlike `str.title`, an apostrophe is inside a word. */
function titleWords(text: string): string {
  const isBreak = (character: string): boolean => '-({[<'.includes(character) || isSpaceAt(character, 0);
  let [titled, word] = ['', ''];
  const end = (): void => {
    const [first = ''] = word;
    titled += first.toUpperCase() + word.slice(first.length).toLowerCase();
    word = '';
  };
  for (const character of text) {
    if (!isBreak(character)) word += character;
    else {
      end();
      titled += character;
    }
  }
  end();
  return titled;
}

const escapeFilter: Filter = (value, args, { budget }) => {
  bind('escape', args);
  if (value instanceof Markup) return value;
  const text = textOf(value, budget);
  budget.spendScan(text.length);
  return new Markup(budget.text(Markup.escape(text)));
};

const safe: Filter = (value, args, { budget }) => {
  bind('safe', args);
  return value instanceof Markup ? value : new Markup(textOf(value, budget));
};

const indent: Filter = (value, args, { budget }) => {
  const [width = 4n, first = false, blank = false] = bind('indent', args, 'width', 'first', 'blank');
  const text = `${requireText(value, 'indent')}\n`;
  const by = typeof width === 'string' ? width : padText('', Math.max(0, countOf(width)), ' ', 'left', budget);
  const lines = splitLines(text, false);
  budget.spendText(text.length + by.length * lines.length);
  if (isTrue(blank)) return (isTrue(first) ? by : '') + lines.join(`\n${by}`);
  const indented = lines.map((line, at) => (at > 0 && line !== '' ? by + line : line)).join('\n');
  return (isTrue(first) ? by : '') + indented;
};

const truncate: Filter = (value, args, { budget }) => {
  const [length = 255n, cutsWords = false, end = '...', leeway = 5n] = bind(
    'truncate',
    args,
    'length',
    'killwords',
    'end',
    'leeway',
  );
  if (value instanceof Undefined) return value;
  const text = budget.text(requireText(value, 'truncate'));
  const mark = textOf(end, budget);
  const most = countOf(length);
  if (most < lengthOf(mark) || countOf(leeway ?? 5n) < 0)
    throw new TemplateError('truncate() got a length that is too small');
  if (lengthOf(text) <= most + countOf(leeway ?? 5n)) return text;
  const cut = charactersOf(text)
    .slice(0, most - lengthOf(mark))
    .join('');
  const space = cut.lastIndexOf(' ');
  return (isTrue(cutsWords) || space < 0 ? cut : cut.slice(0, space)) + mark;
};

function quoteUrl(text: string, keeps: string, budget: Budget): string {
  budget.spend(text.length);
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_.~-]/.test(character) || keeps.includes(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

const urlencode: Filter = (value, args, runtime) => {
  bind('urlencode', args);
  const { budget } = runtime;
  if (typeof value === 'string' || !isIterable(value)) return budget.text(quoteUrl(textOf(value, budget), '/', budget));
  const part = (item: Value): string => quoteUrl(textOf(item, budget), '', budget).replaceAll('%20', '+');
  return budget.join(
    entriesOf(value, runtime).map(([key, item]) => `${part(key)}=${part(item)}`),
    '&',
  );
};

function formatted(value: Value, { positional, named }: Parameters<Filter>[1], budget: Budget): string {
  if (positional.length > 0 && named.size > 0)
    throw new TemplateError("can't handle positional and keyword arguments at the same time");
  return percentFormat(textOf(value, budget), named.size > 0 ? new Dict(named) : new Tuple(positional), budget);
}

/** Filters of a value's text. */
export const textFilters: Readonly<Record<string, Filter>> = {
  upper: ofText((text) => text.toUpperCase()),
  lower: ofText((text) => text.toLowerCase()),
  capitalize: ofText(capitalised),
  title: ofText(titleWords),
  e: escapeFilter,
  escape: escapeFilter,
  safe,
  indent,
  truncate,
  urlencode,
  trim(value, args, { budget }) {
    const [characters = null] = bind('trim', args, 'chars');
    const text = budget.text(textOf(value, budget));
    if (characters === null) return strip(text, null, true, true);
    const set = textOf(characters, budget);
    budget.spendScan(set.length);
    return strip(text, set, true, true);
  },
  replace(value, args, { budget }) {
    const [from, to, count = null] = bind('replace', args, 'old', 'new', 'count');
    const [old, fresh] = [required('replace', 'old', from), required('replace', 'new', to)].map((one) =>
      textOf(one, budget),
    );
    return replacePaid(textOf(value, budget), old ?? '', fresh ?? '', count === null ? -1 : countOf(count), budget);
  },
  center(value, args, { budget }) {
    const [width = 80n] = bind('center', args, 'width');
    return padText(textOf(value, budget), countOf(width), ' ', 'both', budget);
  },
  format: (value, args, { budget }) => formatted(value, args, budget),
  wordcount(value, args, { budget }) {
    bind('wordcount', args);
    const words = budget.text(textOf(value, budget)).match(/[\p{L}\p{N}_]+/gu);
    return BigInt(words?.length ?? 0);
  },
};
