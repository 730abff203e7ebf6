import { nullableRules } from '../../protocol/grammar/check-rules.ts';
import { characterRanges, type GrammarItem, type GrammarRules, isTokenItem } from '../../protocol/grammar/items.ts';

/** What is met at a slot: the end of its alternative, a rule, a character in flat ranges, or a token. */
export type SlotItem =
  | { readonly kind: 'end' }
  | { readonly kind: 'rule'; readonly rule: number }
  | { readonly kind: 'character'; readonly ranges: readonly number[] }
  | { readonly kind: 'token'; readonly id: number };

/** The rules of a grammar as slots: places before an item or at the end of an alternative, one after another. */
export interface GrammarProgram {
  readonly slots: readonly SlotItem[];
  /** For each rule, the first slot of each alternative that can be met. */
  readonly starts: readonly (readonly number[])[];
  /** The rules that derive the empty text. */
  readonly nullable: ReadonlySet<number>;
  /** Code points at which the meaning of a character changes, ascending from 0. */
  readonly boundaries: readonly number[];
}

/** @param rules as `parseGrammar` gives them */
export function compileGrammar(rules: GrammarRules): GrammarProgram {
  const slots: SlotItem[] = [];
  const starts: number[][] = [];
  for (const alternatives of rules) {
    const ruleStarts: number[] = [];
    for (const items of alternatives) {
      const compiled = items.map(slotItem);
      // Only surrogates: no text gets past such an item, so none may begin this alternative.
      if (compiled.some((item) => item.kind === 'character' && item.ranges.length === 0)) continue;
      ruleStarts.push(slots.length);
      slots.push(...compiled, { kind: 'end' });
    }
    starts.push(ruleStarts);
  }
  return { slots, starts, nullable: nullableRules(rules), boundaries: boundariesOf(slots) };
}

function slotItem(item: GrammarItem): SlotItem {
  if (typeof item === 'number') return { kind: 'rule', rule: item };
  if (isTokenItem(item)) return { kind: 'token', id: item[1] };
  return { kind: 'character', ranges: characterRanges(item as readonly number[]) };
}

function boundariesOf(slots: readonly SlotItem[]): readonly number[] {
  const boundaries = new Set([0]);
  for (const item of slots) {
    if (item.kind !== 'character') continue;
    for (const [at, point] of item.ranges.entries()) boundaries.add(at % 2 === 0 ? point : point + 1);
  }
  return [...boundaries].sort((a, b) => a - b);
}

/** The number of the last of `sorted` that is not above `value`; −1 if all are. */
export function lastAtMost(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Whether a code point from `low` to `high` lies in flat ranges `[lo, hi, …]`. */
export function meets(ranges: readonly number[], low: number, high: number): boolean {
  const at = lastAtMost(ranges, high);
  // At an even place `high` lies in a range or behind its start; at an odd one in the gap behind it.
  return at >= 0 && (at % 2 === 0 || (ranges[at] ?? 0) >= low);
}
