import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import { type ByteState, ByteStates } from './byte-states.ts';
import { GrammarStates } from './grammar-states.ts';
import { compileGrammar } from './program.ts';
import { none, type Vocabulary } from './vocabulary.ts';
import { Work } from './work.ts';

export interface GrammarMatcherInit {
  /** As `parseGrammar` gives them. */
  readonly rules: GrammarRules;
  readonly vocabulary: Vocabulary;
  readonly stops: readonly number[];
}

/**
 * Follows one answer through its grammar (section 4.1): which tokens are allowed next. A token is read as its bytes or
 * as an item of its own, and every reading of the tokens so far counts. Methods throw GrammarTooCostly if the grammar
 * would cost more than a stranger's may.
 */
export interface GrammarMatcher {
  /** Whether a stop is allowed: the tokens so far are a whole text in one reading. */
  readonly isWhole: boolean;
  allows(token: number): boolean;
  /**
   * Takes the next token. Returns false, and changes nothing, if it is not allowed. Nothing is allowed after a stop.
   */
  accept(token: number): boolean;
  /** All allowed tokens if they are fewer than `most`, else `most` of them; in no promised order. */
  allowedUpTo(most: number): readonly number[];
}

export function createGrammarMatcher(init: GrammarMatcherInit): GrammarMatcher {
  return new AnswerMatcher(init);
}

class AnswerMatcher implements GrammarMatcher {
  readonly #vocabulary: Vocabulary;
  readonly #stops: ReadonlySet<number>;
  readonly #work = new Work();
  readonly #states: GrammarStates;
  readonly #byteStates: ByteStates;
  /** One for each beginning of a character that the readings of the tokens so far end with; none after a stop. */
  #places: readonly ByteState[];
  /** What `allowedUpTo` found at this place: both who draws and who reads logits ask. */
  #found: readonly number[] = [];
  /** How many it looked for; 0: not asked yet. */
  #lookedFor = 0;

  constructor({ rules, vocabulary, stops }: GrammarMatcherInit) {
    this.#vocabulary = vocabulary;
    this.#stops = new Set(stops);
    this.#states = new GrammarStates(compileGrammar(rules), this.#work);
    this.#byteStates = new ByteStates(this.#states);
    this.#places = [this.#byteStates.between(this.#states.start())];
  }

  get isWhole(): boolean {
    return this.#places.some(({ state, missing }) => missing === 0 && state.isWhole);
  }

  allows(token: number): boolean {
    if (this.#stops.has(token)) return this.isWhole;
    const bytes = this.#vocabulary.bytesOf(token);
    return this.#places.some((place) => this.#isItem(place, token) || this.#reads(place, bytes));
  }

  accept(token: number): boolean {
    this.#work.next();
    if (this.#stops.has(token)) {
      if (!this.isWhole) return false;
      this.#moveTo([]);
      return true;
    }
    const bytes = this.#vocabulary.bytesOf(token);
    const read = bytes.length === 0 ? [] : this.#afterBytes(bytes);
    const asItem = this.#places.flatMap(({ state, missing }) => {
      const next = missing === 0 ? this.#states.afterToken(state, token) : null;
      return next === null ? [] : [this.#byteStates.between(next)];
    });
    const places = this.#merged([...read, ...asItem]);
    if (places.length === 0) return false;
    this.#moveTo(places);
    return true;
  }

  allowedUpTo(most: number): readonly number[] {
    const isKnown = most <= this.#lookedFor || this.#found.length < this.#lookedFor;
    if (!isKnown) {
      this.#found = this.#find(most);
      this.#lookedFor = most;
    }
    return this.#found.slice(0, most);
  }

  #moveTo(places: readonly ByteState[]): void {
    this.#places = places;
    this.#found = [];
    this.#lookedFor = 0;
  }

  #find(most: number): readonly number[] {
    const allowed = new Set<number>();
    const add = (token: number): boolean => {
      if (!this.#stops.has(token) && token < this.#vocabulary.size) allowed.add(token);
      return allowed.size < most;
    };
    if (this.isWhole) for (const stop of this.#stops) allowed.add(stop);
    for (const place of this.#places) {
      for (const token of this.#itemsAt(place)) add(token);
      if (allowed.size < most) this.#visitTokens(place, add);
    }
    return [...allowed].slice(0, most);
  }

  #itemsAt({ state, missing }: ByteState): readonly number[] {
    return missing === 0 ? this.#states.tokenItems(state) : [];
  }

  #isItem(place: ByteState, token: number): boolean {
    return this.#itemsAt(place).includes(token);
  }

  #reads(place: ByteState, bytes: Uint8Array): boolean {
    if (bytes.length === 0) return false;
    let at: ByteState | null = place;
    for (const byte of bytes) {
      at = this.#byteStates.after(at, byte);
      if (at === null) return false;
    }
    return true;
  }

  /** The places after `bytes`, those in the same character joined at every byte, so that there are never many. */
  #afterBytes(bytes: Uint8Array): readonly ByteState[] {
    let places = this.#places;
    for (const byte of bytes) {
      places = this.#merged(
        places.flatMap((place) => {
          const next = this.#byteStates.after(place, byte);
          return next === null ? [] : [next];
        }),
      );
    }
    return places;
  }

  #merged(places: readonly ByteState[]): readonly ByteState[] {
    const byCharacter = new Map<string, ByteState>();
    for (const place of places) {
      const key = `${place.bits}:${place.missing}`;
      const other = byCharacter.get(key);
      byCharacter.set(key, other === undefined ? place : this.#byteStates.union(other, place));
    }
    return [...byCharacter.values()];
  }

  /** Tells every token that may be read as its bytes at a place, until `visit` returns false. */
  #visitTokens(start: ByteState, visit: (token: number) => boolean): void {
    const { bytes, firstChild, nextSibling, firstToken, nextToken } = this.#vocabulary.trie;
    const nodes: { node: number; readonly parent: ByteState }[] = [{ node: firstChild[0] ?? none, parent: start }];
    for (let top = nodes.at(-1); top !== undefined; top = nodes.at(-1)) {
      const { node, parent } = top;
      if (node === none) {
        nodes.pop();
        continue;
      }
      top.node = nextSibling[node] ?? none;
      this.#work.spend(1);
      const place = this.#byteStates.after(parent, bytes[node] ?? 0);
      if (place === null) continue;
      for (let token = firstToken[node] ?? none; token !== none; token = nextToken[token] ?? none)
        if (!visit(token)) return;
      nodes.push({ node: firstChild[node] ?? none, parent: place });
    }
  }
}
