import { BadInputError } from '../encoding/malformed-error.ts';
import { characterRanges, type GrammarItem, type GrammarRules, isTokenItem } from './items.ts';

/**
 * What section 4.1 asks of well-formed rules, in time linear in their items.
 * @throws BadInputError for the number of a rule that does not exist, a rule that derives no text, and left recursion
 */
export function checkRules(rules: GrammarRules): void {
  checkNumbers(rules);
  const productive = closure(rules, (item) => isTokenItem(item) || characterRanges(item).length > 0);
  const barren = rules.findIndex((_, rule) => !productive.has(rule));
  if (barren !== -1) throw new BadInputError(`grammar: rule ${barren} derives no text`);
  checkLeftRecursion(rules, nullableRules(rules));
}

/** The rules that derive the empty text. */
export function nullableRules(rules: GrammarRules): ReadonlySet<number> {
  return closure(rules, () => false);
}

function checkNumbers(rules: GrammarRules): void {
  for (const [number, rule] of rules.entries())
    for (const item of rule.flat() as GrammarItem[])
      if (typeof item === 'number' && item >= rules.length)
        throw new BadInputError(`grammar: rule ${number} names rule ${item} of ${rules.length}`);
}

/**
 * The rules with an alternative of which every item is in the set: a rule that is, or another item for which `holds`.
 */
function closure(rules: GrammarRules, holds: (item: Exclude<GrammarItem, number>) => boolean): ReadonlySet<number> {
  const found = new Set<number>();
  const queue: number[] = [];
  /** For each rule, the alternatives that wait for it; each counts the items that it still waits for. */
  const waiting = new Map<number, { readonly rule: number; missing: number }[]>();
  const add = (rule: number): void => {
    if (found.has(rule)) return;
    found.add(rule);
    queue.push(rule);
  };
  for (const [rule, alternatives] of rules.entries()) {
    for (const items of alternatives) {
      if (!items.every((item) => typeof item === 'number' || holds(item))) continue;
      const needed = items.filter((item) => typeof item === 'number');
      const alternative = { rule, missing: needed.length };
      if (needed.length === 0) add(rule);
      for (const other of needed) {
        const list = waiting.get(other);
        if (list === undefined) waiting.set(other, [alternative]);
        else list.push(alternative);
      }
    }
  }
  for (let rule = queue.pop(); rule !== undefined; rule = queue.pop())
    for (const alternative of waiting.get(rule) ?? []) if (--alternative.missing === 0) add(alternative.rule);
  return found;
}

/** Follows, without recursion, what may stand first in each rule, and looks for a way back. */
function checkLeftRecursion(rules: GrammarRules, nullable: ReadonlySet<number>): void {
  const first = rules.map((alternatives) => alternatives.flatMap((items) => firstRules(items, nullable)));
  const state = new Uint8Array(rules.length);
  const [open, done] = [1, 2];
  for (const start of rules.keys()) {
    if (state[start] === done) continue;
    const path: { readonly rule: number; next: number }[] = [{ rule: start, next: 0 }];
    state[start] = open;
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const following = first[at.rule]?.[at.next++];
      if (following === undefined) {
        state[at.rule] = done;
        path.pop();
      } else if (state[following] === open) {
        throw new BadInputError(`grammar: rule ${following} is left-recursive`);
      } else if (state[following] !== done) {
        state[following] = open;
        path.push({ rule: following, next: 0 });
      }
    }
  }
}

/** The rules that may begin an alternative: those before and at the first item that is not nullable. */
function firstRules(items: readonly GrammarItem[], nullable: ReadonlySet<number>): readonly number[] {
  const rules: number[] = [];
  for (const item of items) {
    if (typeof item !== 'number') break;
    rules.push(item);
    if (!nullable.has(item)) break;
  }
  return rules;
}
