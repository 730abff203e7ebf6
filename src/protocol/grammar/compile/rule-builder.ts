import { maxGrammarRules } from '../../constants.ts';
import { BadInputError } from '../../encoding/malformed-error.ts';
import { type GrammarItem, type GrammarRule, type GrammarRules, parseGrammar } from '../rules.ts';

/** A part of a text: items that follow each other. */
export type Items = readonly GrammarItem[];

/** Units of work that a grammar may cost to compile. Forty tools, or an honest schema of 64 KiB, take a fifth. */
const maxWork = 5_000_000;
/** Repetitions of so few items are written out; of more, rules share their halves. */
const fewItems = 4;

/** Collects the rules of a grammar. Equal rules are one. */
export class RuleBuilder {
  /** The first is the whole text. */
  readonly #rules: GrammarRule[] = [[]];
  readonly #known = new Map<string, number>();
  /** What errors call the rules that have a name. */
  readonly #names = new Map([[0, 'the whole answer']]);
  #workLeft = maxWork;

  /** A rule of these alternatives. @throws BadInputError for more rules or work than a grammar may have */
  add(alternatives: readonly Items[]): number {
    const key = JSON.stringify(alternatives);
    this.#take(key.length);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const number = this.reserve();
    this.#rules[number] = alternatives;
    this.#known.set(key, number);
    return number;
  }

  /**
   * A rule that is defined later, since it may name itself.
   * @param name what errors call it
   * @throws BadInputError as `add`
   */
  reserve(name?: string): number {
    if (this.#rules.length >= maxGrammarRules)
      throw new BadInputError(`it needs more than the ${maxGrammarRules} rules that a grammar may have`);
    const rule = this.#rules.push([]) - 1;
    if (name !== undefined) this.#names.set(rule, name);
    return rule;
  }

  /**
   * Counts the work on a part of a schema before it is done: a part with all that it refers to may be far larger than
   * the schema.
   * @param weight units for a value or a character of a text
   * @throws BadInputError once the grammar has cost more than a stranger's may
   */
  spend(part: unknown, weight = 1): void {
    const queue = [part];
    while (queue.length > 0) {
      const next = queue.pop();
      this.#take(weight * (typeof next === 'string' ? 1 + next.length : 1));
      if (typeof next !== 'object' || next === null) continue;
      if (Array.isArray(next)) for (const each of next) queue.push(each);
      else for (const [name, each] of Object.entries(next)) queue.push(name, each);
    }
  }

  #take(work: number): void {
    this.#workLeft -= work;
    if (this.#workLeft < 0) throw new BadInputError('it costs too much to compile');
  }

  define(rule: number, alternatives: readonly Items[]): void {
    this.#rules[rule] = alternatives;
  }

  /** One of these parts. */
  choice(alternatives: readonly Items[]): Items {
    const [only] = alternatives;
    return only !== undefined && alternatives.length === 1 ? only : [this.add(alternatives)];
  }

  /** One of these texts. Beginnings that several share are written once. */
  oneOf(texts: readonly string[]): Items {
    const groups = new Map<string, string[]>();
    for (const text of new Set(texts)) {
      const [first = ''] = text;
      const group = groups.get(first);
      if (group === undefined) groups.set(first, [text]);
      else group.push(text);
    }
    const alternatives = [...groups].map(([first, group]): Items => {
      const [only] = group;
      if (first === '' || (only !== undefined && group.length === 1)) return literal(only ?? '');
      const common = commonBeginning(group);
      return [...literal(common), ...this.oneOf(group.map((text) => text.slice(common.length)))];
    });
    return this.choice(alternatives);
  }

  optional(items: Items): Items {
    return items.length === 0 ? [] : [this.add([items, []])];
  }

  /**
   * `items` from `min` to `max` times.
   * @param items never the empty text if `max` is null
   * @param max null: without end
   */
  repeat(items: Items, min: number, max: number | null): Items {
    const [only] = items;
    const item = items.length === 1 && only !== undefined ? only : this.add([items]);
    return [...this.#exactly(item, min), ...(max === null ? this.#anyNumberOf(item) : this.#upTo(item, max - min))];
  }

  /** The texts of another grammar. @throws BadInputError as `add` */
  embed(grammar: GrammarRules): Items {
    const numbers = grammar.map((_, number) => this.reserve(number === 0 ? 'the form of the answer' : undefined));
    const renumbered = (item: GrammarItem): GrammarItem => (typeof item === 'number' ? (numbers[item] ?? 0) : item);
    for (const [number, rule] of grammar.entries())
      this.define(
        numbers[number] ?? 0,
        rule.map((items) => items.map(renumbered)),
      );
    return numbers.slice(0, 1);
  }

  /** @throws BadInputError for a grammar that no provider may take */
  finish(whole: Items): GrammarRules {
    this.#rules[0] = [whole];
    const used = this.#reachable();
    const numbers = new Map(used.map((rule, number) => [rule, number] as const));
    const renumbered = (item: GrammarItem): GrammarItem => (typeof item === 'number' ? (numbers.get(item) ?? 0) : item);
    try {
      return parseGrammar(used.map((rule) => this.#rules[rule]?.map((items) => items.map(renumbered))));
    } catch (error) {
      if (!(error instanceof BadInputError)) throw error;
      const named = (_text: string, number: string): string => this.#nameOf(used[Number(number)] ?? 0);
      throw new BadInputError(error.message.replaceAll(/rule (\d+)/g, named));
    }
  }

  /** The rules that the whole text may need, in their order. */
  #reachable(): readonly number[] {
    const found = new Set([0]);
    const queue = [0];
    for (let rule = queue.pop(); rule !== undefined; rule = queue.pop())
      for (const item of this.#rules[rule]?.flat() ?? []) {
        if (typeof item !== 'number' || found.has(item)) continue;
        found.add(item);
        queue.push(item);
      }
    return [...found].sort((a, b) => a - b);
  }

  /** The name of a rule, or of the part that it was made for. */
  #nameOf(rule: number): string {
    let at = rule;
    while (!this.#names.has(at)) at--;
    return this.#names.get(at) ?? '';
  }

  #anyNumberOf(item: GrammarItem): Items {
    const key = `star ${JSON.stringify(item)}`;
    let rule = this.#known.get(key);
    if (rule === undefined) {
      rule = this.reserve();
      this.#known.set(key, rule);
      this.#rules[rule] = [[item, rule], []];
    }
    return [rule];
  }

  #exactly(item: GrammarItem, count: number): Items {
    if (count <= fewItems) return Array.from({ length: count }, () => item);
    const half = this.add([this.#exactly(item, Math.floor(count / 2))]);
    return count % 2 === 0 ? [half, half] : [half, half, item];
  }

  /**
   * Each count has one derivation, that of its binary digits: few places of the grammar are open at once, and few rules
   * are needed.
   */
  #upTo(item: GrammarItem, most: number): Items {
    if (most <= 0) return [];
    const key = `${most} ${JSON.stringify(item)}`;
    let rule = this.#known.get(key);
    if (rule === undefined) {
      rule = this.add(this.#countsUpTo(item, most));
      // Both alternatives ask for the same smaller counts, which would double with every digit.
      this.#known.set(key, rule);
    }
    return [rule];
  }

  #countsUpTo(item: GrammarItem, most: number): readonly Items[] {
    if (most <= fewItems) return [[item, ...this.#upTo(item, most - 1)], []];
    let power = 1;
    while (2 * power <= most) power *= 2;
    return [this.#upTo(item, power - 1), [...this.#exactly(item, power), ...this.#upTo(item, most - power)]];
  }
}

/** The whole characters that all texts begin with. */
function commonBeginning(texts: readonly string[]): string {
  const [first = '', ...others] = texts;
  let end = first.length;
  for (const other of others) {
    let at = 0;
    while (at < end && first[at] === other[at]) at++;
    end = at;
  }
  return first.slice(0, end).isWellFormed() ? first.slice(0, end) : first.slice(0, end - 1);
}

/** A text as it stands. @throws BadInputError for a lone surrogate, which no text holds */
export function literal(text: string): Items {
  if (!text.isWellFormed()) throw new BadInputError('a text with half a character cannot be written');
  return Array.from(text, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return [point, point];
  });
}
