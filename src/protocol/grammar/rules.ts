import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { encodeCbor } from '../codec.ts';
import { maxGrammarBytes, maxGrammarRules } from '../constants.ts';
import { BadInputError } from '../encoding/malformed-error.ts';
import { tag } from '../encoding/tag.ts';
import { isU32 } from '../messages/fields.ts';
import { checkRules } from './check-rules.ts';
import type { GrammarItem, GrammarRules } from './items.ts';

export type { GrammarItem, GrammarRule, GrammarRules } from './items.ts';

const maxCodePoint = 0x10ffff;
const grammarTag = tag('qvac/grammar/1');

/**
 * The rules in a decoded value.
 * @throws BadInputError for another form, more than 4,096 rules or 64 KiB, left recursion, a rule that does not exist
 * or that derives no text: what section 4.1 calls `bad-input`
 */
export function parseGrammar(value: unknown): GrammarRules {
  if (!Array.isArray(value)) throw new BadInputError('grammar: expected a list of rules');
  if (value.length === 0 || value.length > maxGrammarRules)
    throw new BadInputError(`grammar: expected 1 to ${maxGrammarRules} rules, got ${value.length}`);
  for (const [number, rule] of value.entries()) checkRule(rule, number);
  const rules = value as GrammarRules;
  const { length } = encodeCbor(rules);
  if (length > maxGrammarBytes)
    throw new BadInputError(`grammar: expected at most ${maxGrammarBytes} bytes, got ${length}`);
  checkRules(rules);
  return rules;
}

/** Section 4.1: the digest that `extra` has for the rules. */
export function grammarDigestOf(rules: GrammarRules): Uint8Array {
  return sha256(concat(grammarTag, encodeCbor(rules)));
}

function checkRule(rule: unknown, number: number): void {
  const isRule =
    Array.isArray(rule) && rule.every((alternative) => Array.isArray(alternative) && alternative.every(isItem));
  if (!isRule) throw new BadInputError(`grammar: rule ${number} expected a list of lists of items`);
}

function isItem(item: unknown): item is GrammarItem {
  if (isU32(item)) return true;
  if (!Array.isArray(item) || item.length === 0 || item.length % 2 !== 0) return false;
  if (item[0] === 't') return item.length === 2 && isU32(item[1]);
  return item.every(
    (point, at) => isU32(point) && point <= maxCodePoint && (at % 2 === 0 || point >= (item[at - 1] as number)),
  );
}
