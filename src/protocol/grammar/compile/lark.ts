import { BadInputError } from '../../encoding/malformed-error.ts';
import { isTerminalName, parseLark } from './lark-parser.ts';
import { type CharacterWriter, compilePattern, type Pattern } from './pattern.ts';
import type { Items, RuleBuilder } from './rule-builder.ts';

/**
 * The texts of a grammar in Lark's notation, from its rule `start` on, as a part of another grammar. There is no lexer:
 * a text belongs to the grammar if any cut into terminals fits.
 * @throws BadInputError for what is not supported or not that notation, with its place
 */
export function larkItems(rules: RuleBuilder, source: string, writer: CharacterWriter): Items {
  const numbers = new Map<string, number>();
  const ruleOf = (name: string): number => {
    const known = numbers.get(name) ?? rules.reserve(`the rule "${name}"`);
    numbers.set(name, known);
    return known;
  };
  const { rules: definitions, ignored } = parseLark(source, ruleOf);
  const start = numbers.get('start');
  if (start === undefined || !definitions.has('start')) throw new BadInputError('the grammar has no rule "start"');
  for (const name of numbers.keys())
    if (!definitions.has(name)) throw new BadInputError(`the grammar has no rule "${name}"`);
  const terminals = new Set([...numbers].flatMap(([name, number]) => (isTerminalName(name) ? number : [])));
  const space: Pattern | null =
    ignored.length === 0 ? null : { kind: 'repeat', of: { kind: 'choice', of: ignored }, min: 0, max: null };
  for (const [name, pattern] of definitions) {
    const spaced = space === null || isTerminalName(name) ? pattern : withSpace(pattern, space, terminals);
    rules.define(numbers.get(name) ?? 0, [compilePattern(rules, spaced, writer)]);
  }
  return [start, ...(space === null ? [] : compilePattern(rules, space, writer))];
}

/** A rule's pattern with `space` before each terminal. */
function withSpace(pattern: Pattern, space: Pattern, terminals: ReadonlySet<number>): Pattern {
  switch (pattern.kind) {
    case 'set':
      return pattern;
    case 'items': {
      const [only] = pattern.items;
      return typeof only === 'number' && terminals.has(only) ? { kind: 'sequence', of: [space, pattern] } : pattern;
    }
    case 'repeat':
      return { ...pattern, of: withSpace(pattern.of, space, terminals) };
    default:
      return { ...pattern, of: pattern.of.map((part) => withSpace(part, space, terminals)) };
  }
}
