import { BadInputError } from '../../encoding/malformed-error.ts';
import type { Items, RuleBuilder } from './rule-builder.ts';

/** A pattern of texts as a tree. `ranges` are flat code point ranges, `items` what is compiled already. */
export type Pattern =
  | { readonly kind: 'set'; readonly ranges: readonly number[] }
  | { readonly kind: 'items'; readonly items: Items }
  | { readonly kind: 'sequence'; readonly of: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly of: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly of: Pattern; readonly min: number; readonly max: number | null };

/** How one character of these ranges stands in the text: as it is, or escaped in a JSON string. */
export type CharacterWriter = (ranges: readonly number[]) => Items;

/** Parts of a repeated sequence that may all be empty. */
const maxNullableParts = 100;

/** The texts that a pattern matches as a whole. */
export function compilePattern(rules: RuleBuilder, pattern: Pattern, writer: CharacterWriter): Items {
  return new PatternCompiler(rules, writer).items(pattern);
}

/** The lengths of the texts that an expression matches, in characters; `max` null: without end. */
export function lengthsOf(node: Pattern): { readonly min: number; readonly max: number | null } {
  switch (node.kind) {
    case 'set':
      return { min: 1, max: 1 };
    case 'items':
      return { min: 0, max: null };
    case 'sequence': {
      const parts = node.of.map(lengthsOf);
      return {
        min: parts.reduce((sum, { min }) => sum + min, 0),
        max: parts.reduce<number | null>((sum, { max }) => (sum === null || max === null ? null : sum + max), 0),
      };
    }
    case 'choice': {
      const parts = node.of.map(lengthsOf);
      const ends = parts.map(({ max }) => max);
      return {
        min: Math.min(...parts.map(({ min }) => min)),
        max: ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)),
      };
    }
    case 'repeat': {
      const { min, max } = lengthsOf(node.of);
      const isEndless = max === null || node.max === null;
      return { min: min * node.min, max: max === 0 ? 0 : isEndless ? null : max * (node.max ?? 0) };
    }
  }
}

/**
 * Each part is looked at once: without its empty text, a sequence has each of its parts several times, and one within
 * the other these would double with every level.
 */
class PatternCompiler {
  readonly #rules: RuleBuilder;
  readonly #writer: CharacterWriter;
  readonly #items = new Map<Pattern, Items>();
  readonly #nullable = new Map<Pattern, boolean>();
  readonly #filled = new Map<Pattern, Pattern | null>();

  constructor(rules: RuleBuilder, writer: CharacterWriter) {
    this.#rules = rules;
    this.#writer = writer;
  }

  items(node: Pattern): Items {
    return known(this.#items, node, () => this.#compile(node));
  }

  #compile(node: Pattern): Items {
    switch (node.kind) {
      case 'set':
        if (node.ranges.length === 0) throw new BadInputError('the pattern has a set without characters');
        return this.#writer(node.ranges);
      case 'items':
        return node.items;
      case 'sequence':
        return node.of.flatMap((part) => this.items(part));
      case 'choice':
        return this.#rules.choice(node.of.map((part) => this.items(part)));
      case 'repeat': {
        const { of, min, max } = node;
        if (!this.#isNullable(of)) return this.#rules.repeat(this.items(of), min, max);
        // A grammar repeats no empty text.
        const filled = this.#withoutEmpty(of);
        return filled === null ? [] : this.#rules.repeat(this.items(filled), 0, max);
      }
    }
  }

  #isNullable(node: Pattern): boolean {
    return known(this.#nullable, node, () => {
      switch (node.kind) {
        case 'set':
        case 'items':
          return false;
        case 'sequence':
          return node.of.every((part) => this.#isNullable(part));
        case 'choice':
          return node.of.some((part) => this.#isNullable(part));
        case 'repeat':
          return node.min === 0 || this.#isNullable(node.of);
      }
    });
  }

  /** The same texts but the empty one; null if there are no others. */
  #withoutEmpty(node: Pattern): Pattern | null {
    return this.#isNullable(node) ? known(this.#filled, node, () => this.#fill(node)) : node;
  }

  #fill(node: Pattern): Pattern | null {
    switch (node.kind) {
      case 'set':
      case 'items':
        return node;
      case 'choice':
        return choiceOf(node.of.map((part) => this.#withoutEmpty(part)));
      case 'repeat': {
        const filled = this.#withoutEmpty(node.of);
        if (filled === null || node.max === 0) return null;
        const more: Pattern = { kind: 'repeat', of: filled, min: 0, max: node.max === null ? null : node.max - 1 };
        return { kind: 'sequence', of: [filled, more] };
      }
      case 'sequence':
        if (node.of.length > maxNullableParts)
          throw new BadInputError(`it repeats more than ${maxNullableParts} parts that may all be empty`);
        // The first part that is not empty, and all that may follow it.
        return choiceOf(
          node.of.map((part, at) => {
            const filled = this.#withoutEmpty(part);
            return filled === null ? null : { kind: 'sequence', of: [filled, ...node.of.slice(at + 1)] };
          }),
        );
    }
  }
}

function known<Value>(values: Map<Pattern, Value>, node: Pattern, find: () => Value): Value {
  const found = values.get(node);
  if (found !== undefined) return found;
  const value = find();
  values.set(node, value);
  return value;
}

function choiceOf(nodes: readonly (Pattern | null)[]): Pattern | null {
  const of = nodes.filter((node) => node !== null);
  return of.length === 0 ? null : { kind: 'choice', of };
}
