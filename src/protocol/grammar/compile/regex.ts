import { BadInputError } from '../../encoding/malformed-error.ts';
import type { GrammarItem, GrammarRules } from '../rules.ts';
import { parseRegex, type RegexNode } from './regex-parser.ts';
import { type Items, RuleBuilder } from './rule-builder.ts';

/** How a character of a set stands in the text: as it is, or escaped in a JSON string. */
export type CharacterWriter = (ranges: readonly number[]) => GrammarItem;

/** Any character at all. */
const everything: RegexNode = { kind: 'repeat', of: { kind: 'set', ranges: [0, 0x10ffff] }, min: 0, max: null };

/**
 * The texts that a regular expression matches as a whole: JavaScript's syntax with its `u` flag, without what looks
 * around or back.
 * @throws BadInputError for a syntax that is not supported, which it names
 */
export function grammarOfRegex(pattern: string): GrammarRules {
  const rules = new RuleBuilder();
  return rules.finish(compileRegex(rules, pattern, { isSearch: false, writer: (ranges) => ranges }));
}

/** @param isSearch the pattern may match anywhere in the text, where `^` and `$` do not hold it */
export function compileRegex(
  rules: RuleBuilder,
  pattern: string,
  { isSearch, writer }: { readonly isSearch: boolean; readonly writer: CharacterWriter },
): Items {
  const compiler = new RegexCompiler(rules, writer);
  const alternatives = parseRegex(pattern).map(({ node, fromStart, toEnd }): RegexNode => {
    if (!isSearch) return node;
    return { kind: 'sequence', of: [...(fromStart ? [] : [everything]), node, ...(toEnd ? [] : [everything])] };
  });
  return compiler.items({ kind: 'choice', of: alternatives });
}

class RegexCompiler {
  readonly #rules: RuleBuilder;
  readonly #writer: CharacterWriter;

  constructor(rules: RuleBuilder, writer: CharacterWriter) {
    this.#rules = rules;
    this.#writer = writer;
  }

  items(node: RegexNode): Items {
    switch (node.kind) {
      case 'set':
        if (node.ranges.length === 0) throw new BadInputError('a set without characters');
        return [this.#writer(node.ranges)];
      case 'sequence':
        return node.of.flatMap((part) => this.items(part));
      case 'choice': {
        const [only] = node.of;
        if (only !== undefined && node.of.length === 1) return this.items(only);
        return [this.#rules.add(node.of.map((part) => this.items(part)))];
      }
      case 'repeat': {
        const { of, min, max } = node;
        if (!isNullable(of)) return this.#rules.repeat(this.items(of), min, max);
        // A grammar repeats no empty text.
        const filled = withoutEmpty(of);
        return filled === null ? [] : this.#rules.repeat(this.items(filled), 0, max);
      }
    }
  }
}

function isNullable(node: RegexNode): boolean {
  switch (node.kind) {
    case 'set':
      return false;
    case 'sequence':
      return node.of.every(isNullable);
    case 'choice':
      return node.of.some(isNullable);
    case 'repeat':
      return node.min === 0 || isNullable(node.of);
  }
}

/** The same texts but the empty one; null if there are no others. */
function withoutEmpty(node: RegexNode): RegexNode | null {
  if (!isNullable(node)) return node;
  switch (node.kind) {
    case 'set':
      return node;
    case 'choice':
      return choiceOf(node.of.map(withoutEmpty));
    case 'repeat': {
      const filled = withoutEmpty(node.of);
      if (filled === null || node.max === 0) return null;
      const more: RegexNode = { kind: 'repeat', of: filled, min: 0, max: node.max === null ? null : node.max - 1 };
      return { kind: 'sequence', of: [filled, more] };
    }
    case 'sequence':
      // The first part that is not empty, and all that may follow it.
      return choiceOf(
        node.of.map((part, at) => {
          const filled = withoutEmpty(part);
          return filled === null ? null : { kind: 'sequence', of: [filled, ...node.of.slice(at + 1)] };
        }),
      );
  }
}

function choiceOf(nodes: readonly (RegexNode | null)[]): RegexNode | null {
  const of = nodes.filter((node) => node !== null);
  return of.length === 0 ? null : { kind: 'choice', of };
}
