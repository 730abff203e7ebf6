import { malformedUnless } from './bytes.ts';
import { decode, encode, type Value } from './cbor.ts';
import { ascending, int, list, map, one, type Rule, raw, text, u32 } from './rules.ts';

/** Section 4.1: the settings of `extra`, and the rules of a grammar. */

export interface Extra {
  readonly presence?: number;
  readonly frequency?: number;
  readonly bias?: readonly (readonly [number, number])[];
  readonly stopTexts?: readonly string[];
  readonly markers?: true;
  readonly grammar?: Buffer;
  readonly vocabDigest?: Buffer;
}

const penalty: Rule = (value) => int(-2048, 2048)(value) && value !== 0;
const biased: Rule = (pair) =>
  Array.isArray(pair) && pair.length === 2 && u32(pair[0]) && int(-102_400, 102_400)(pair[1]) && pair[1] !== 0;
const form = map(
  {},
  {
    presence: penalty,
    frequency: penalty,
    bias: list(biased, 300, 1),
    stopTexts: list((value) => text(value) && value !== '', 32, 1),
    markers: one(true),
    grammar: raw(32),
    vocabDigest: raw(32),
  },
);

export function readExtra(bytes: Buffer, vocab: number): Extra {
  if (bytes.length === 0) return {};
  const value = decode(bytes);
  malformedUnless(form(value) && Object.keys(value as object).length > 0, 'extra form');
  const extra = value as Extra;
  const ids = extra.bias?.map(([id]) => id) ?? [];
  malformedUnless(ascending(ids) && ids.every((id) => id < vocab), 'biased ids');
  const texts = extra.stopTexts?.map((stop) => Buffer.from(stop)) ?? [];
  malformedUnless(
    texts.every((stop, at) => at === 0 || Buffer.compare(texts[at - 1] ?? stop, stop) < 0),
    'stop texts',
  );
  malformedUnless((extra.grammar === undefined) === (extra.vocabDigest === undefined), 'grammar and vocabulary');
  return extra;
}

export type Item = number | readonly (string | number)[];
export type Rules = readonly (readonly (readonly Item[])[])[];

const isItem: Rule = (item) => {
  if (u32(item)) return true;
  if (!Array.isArray(item) || item.length === 0 || item.length % 2 === 1) return false;
  if (item[0] === 't') return item.length === 2 && u32(item[1]);
  return item.every((point, at) => int(0, 0x10ffff)(point) && (at % 2 === 0 || item[at - 1] <= point));
};

export function readGrammar(value: unknown): Rules {
  malformedUnless(list(list(list(isItem)), 4096, 1)(value), 'grammar form');
  const rules = value as Rules;
  malformedUnless(encode(rules as unknown as Value).length <= 65_536, 'grammar size');
  const items = rules.flat(2);
  malformedUnless(
    items.every((item) => typeof item !== 'number' || item < rules.length),
    'a rule that does not exist',
  );
  // By repetition until nothing changes: which rules derive a text, and which the empty one.
  const fixpoint = (holds: (item: Item, found: ReadonlySet<number>) => boolean): ReadonlySet<number> => {
    const found = new Set<number>();
    for (let before = -1; before !== found.size; ) {
      before = found.size;
      for (const [number, alternatives] of rules.entries())
        if (alternatives.some((alternative) => alternative.every((item) => holds(item, found)))) found.add(number);
    }
    return found;
  };
  const productive = fixpoint((item, found) =>
    typeof item === 'number' ? found.has(item) : item[0] === 't' || characters(item).length > 0,
  );
  malformedUnless(productive.size === rules.length, 'a rule without a text');
  const empty = fixpoint((item, found) => typeof item === 'number' && found.has(item));
  const firsts = rules.map((alternatives) =>
    alternatives.flatMap((alternative) => {
      const until = alternative.findIndex((item) => typeof item !== 'number' || !empty.has(item));
      return (until === -1 ? alternative : alternative.slice(0, until + 1)).filter((item) => typeof item === 'number');
    }),
  );
  for (const start of rules.keys()) {
    const reached = new Set(firsts[start]);
    for (const rule of reached) for (const next of firsts[rule] ?? []) reached.add(next);
    malformedUnless(!reached.has(start), 'left recursion');
  }
  return rules;
}

/** The ranges of a character item without surrogates. */
export function characters(item: Item): readonly (readonly [number, number])[] {
  const points = item as readonly number[];
  return points
    .flatMap((lo, at) => {
      if (at % 2 === 1) return [];
      const hi = points[at + 1] ?? lo;
      return [
        [lo, Math.min(hi, 0xd7ff)],
        [Math.max(lo, 0xe000), hi],
      ] as const;
    })
    .filter(([lo, hi]) => lo <= hi);
}
