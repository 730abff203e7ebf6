import { BadInputError } from '../../encoding/malformed-error.ts';
import type { GrammarRules } from '../rules.ts';
import { parseGbnf } from './gbnf-parser.ts';
import { compilePattern } from './pattern.ts';
import { RuleBuilder } from './rule-builder.ts';

/**
 * The texts of a grammar in llama.cpp's notation (GBNF), from its rule `root` on.
 * @throws BadInputError for what is not supported or not that notation, with its place
 */
export function grammarOfGbnf(source: string): GrammarRules {
  const rules = new RuleBuilder();
  const numbers = new Map<string, number>();
  const definitions = parseGbnf(source, (name) => {
    const known = numbers.get(name) ?? rules.reserve(`the rule "${name}"`);
    numbers.set(name, known);
    return known;
  });
  for (const name of numbers.keys())
    if (!definitions.has(name)) throw new BadInputError(`the grammar has no rule "${name}"`);
  if (!definitions.has('root')) throw new BadInputError('the grammar has no rule "root"');
  for (const [name, pattern] of definitions)
    rules.define(numbers.get(name) ?? 0, [compilePattern(rules, pattern, (ranges) => [ranges])]);
  return rules.finish([numbers.get('root') ?? 0]);
}
