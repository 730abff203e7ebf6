import type { GrammarState, GrammarStates } from './grammar-states.ts';

/** A place in the bytes of a text: what may follow the characters so far, and the beginning of the next one. */
export interface ByteState {
  readonly id: number;
  readonly state: GrammarState;
  /** Bits of the character so far, and bytes of it that are missing; 0 between two characters. */
  readonly bits: number;
  readonly missing: number;
}

/** Least code point of a character by its bytes: a longer form than needed is not UTF-8. */
const minCodePoint = [0, 0, 0x80, 0x800, 0x1_0000];
const maxCodePoint = 0x10_ffff;

/** Steps that are remembered; beyond, all are forgotten and made again. */
const maxRemembered = 200_000;

/** The places in the bytes of texts of a grammar, made as they are needed. */
export class ByteStates {
  readonly #states: GrammarStates;
  readonly #between = new Map<number, ByteState>();
  /** Places after a byte, by place and byte; null if it cannot come. */
  readonly #steps = new Map<number, ByteState | null>();
  #lastId = 0;

  constructor(states: GrammarStates) {
    this.#states = states;
  }

  /** Between two characters. */
  between(state: GrammarState): ByteState {
    let known = this.#between.get(state.id);
    if (known === undefined) this.#between.set(state.id, (known = this.#make(state, 0, 0)));
    return known;
  }

  /** The place after a byte; null if no text of the grammar goes on with it. @throws GrammarTooCostly */
  after(at: ByteState, byte: number): ByteState | null {
    const step = at.id * 256 + byte;
    let next = this.#steps.get(step);
    if (next === undefined) {
      next = this.#after(at, byte);
      if (this.#steps.size >= maxRemembered) this.#forget();
      this.#steps.set(step, next);
    }
    return next;
  }

  /** The place in which everything may follow that may at one of the two, which lie in the same character. */
  union(a: ByteState, b: ByteState): ByteState {
    const state = this.#states.union(a.state, b.state);
    return a.missing === 0 ? this.between(state) : this.#make(state, a.bits, a.missing);
  }

  #after(at: ByteState, byte: number): ByteState | null {
    if (at.missing > 0) {
      if ((byte & 0xc0) !== 0x80) return null;
      const bits = (at.bits << 6) | (byte & 0x3f);
      // A form longer than needed is refused at its second byte.
      return at.missing === 1
        ? this.#afterCharacter(at.state, bits)
        : this.#within(at.state, bits, at.missing - 1, at.missing + 1);
    }
    if (byte < 0x80) return this.#afterCharacter(at.state, byte);
    if (byte < 0xc0 || byte > 0xf7) return null;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return this.#within(at.state, byte & (0x7f >> length), length - 1, length);
  }

  /** Inside a character, if one that begins so may come. `length` in bytes. */
  #within(state: GrammarState, bits: number, missing: number, length: number): ByteState | null {
    const low = Math.max(minCodePoint[length] ?? 0, bits << (6 * missing));
    const high = Math.min(maxCodePoint, ((bits + 1) << (6 * missing)) - 1);
    return low <= high && this.#states.allowsBetween(state, low, high) ? this.#make(state, bits, missing) : null;
  }

  #afterCharacter(state: GrammarState, codePoint: number): ByteState | null {
    const next = this.#states.afterCharacter(state, codePoint);
    return next === null ? null : this.between(next);
  }

  #make(state: GrammarState, bits: number, missing: number): ByteState {
    return { id: ++this.#lastId, state, bits, missing };
  }

  #forget(): void {
    this.#between.clear();
    this.#steps.clear();
  }
}
