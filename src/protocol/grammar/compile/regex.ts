import { BadInputError } from '../../encoding/malformed-error.ts';
import type { GrammarRules } from '../rules.ts';
import { maxCodePoint } from './code-points.ts';
import { compilePattern, type Pattern } from './pattern.ts';
import { type AnchoredNode, parseRegex } from './regex-parser.ts';
import { RuleBuilder } from './rule-builder.ts';

/** Characters of the texts of a choice. */
const maxChoiceLength = 65_536;
/** Any text at all. */
const everything: Pattern = { kind: 'repeat', of: { kind: 'set', ranges: [0, maxCodePoint] }, min: 0, max: null };

/**
 * The texts that a regular expression matches as a whole: JavaScript's syntax with its `u` flag, without what looks
 * around or back.
 * @throws BadInputError for a syntax that is not supported, which it names
 */
export function grammarOfRegex(pattern: string): GrammarRules {
  const rules = new RuleBuilder();
  return rules.finish(compilePattern(rules, wholeOf(parseRegex(pattern)), (ranges) => [ranges]));
}

/**
 * One of these texts, at least one.
 * @throws BadInputError for more than 64 Ki characters of texts
 */
export function grammarOfChoice(texts: readonly string[]): GrammarRules {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > maxChoiceLength)
    throw new BadInputError(`the texts have ${length} characters, at most ${maxChoiceLength} are taken`);
  const rules = new RuleBuilder();
  return rules.finish(rules.oneOf(texts));
}

/** An expression without regard to `^` and `$`, which say nothing of a text that is matched as a whole. */
export function wholeOf(alternatives: readonly AnchoredNode[]): Pattern {
  return { kind: 'choice', of: alternatives.map(({ node }) => node) };
}

/** An expression that matches, as a whole, the texts in which an expression is found. */
export function searchOf(alternatives: readonly AnchoredNode[]): Pattern {
  const of = alternatives.map(({ node, fromStart, toEnd }): Pattern => {
    return { kind: 'sequence', of: [...(fromStart ? [] : [everything]), node, ...(toEnd ? [] : [everything])] };
  });
  return { kind: 'choice', of };
}
