/**
 * One item of an alternative (section 4.1): the number of a rule, a token, or ranges `[lo, hi, …]` of code points for
 * one character.
 */
export type GrammarItem = number | readonly ['t', number] | readonly number[];
export type GrammarRule = readonly (readonly GrammarItem[])[];
/** The rules of a grammar, each a list of alternatives; rule 0 is the whole text. */
export type GrammarRules = readonly GrammarRule[];

/** UTF-16's surrogates: no text holds them. */
const minSurrogate = 0xd800;
const maxSurrogate = 0xdfff;

export function isTokenItem(item: GrammarItem): item is readonly ['t', number] {
  return typeof item !== 'number' && item[0] === 't';
}

/** The ranges of a character item, flat, ascending, apart, and without surrogates; empty if no character meets it. */
export function characterRanges(item: readonly number[]): readonly number[] {
  const pairs: [number, number][] = [];
  for (let at = 0; at < item.length; at += 2) {
    const [lo, hi] = [item[at] ?? 0, item[at + 1] ?? 0];
    pairs.push([lo, Math.min(hi, minSurrogate - 1)], [Math.max(lo, maxSurrogate + 1), hi]);
  }
  pairs.sort((a, b) => a[0] - b[0]);
  const ranges: number[] = [];
  for (const [lo, hi] of pairs) {
    if (lo > hi) continue;
    const last = ranges.length - 1;
    if (last > 0 && lo <= (ranges[last] ?? 0) + 1) ranges[last] = Math.max(ranges[last] ?? 0, hi);
    else ranges.push(lo, hi);
  }
  return ranges;
}
