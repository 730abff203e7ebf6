import { characters, type Item, type Rules } from './extra.ts';

/** Section 4.1: the tokens that a grammar allows, by keeping every stack of what may follow. */

interface Place {
  /** What is to come, the next item first; it is a character, a token, or nothing at all. */
  readonly stack: readonly Item[];
  /** The beginning of a character. */
  readonly bytes: readonly number[];
}

export class Mask {
  readonly #rules: Rules;
  readonly #vocabulary: readonly Uint8Array[];
  readonly #stops: readonly number[];
  #places: readonly Place[];

  constructor(rules: Rules, vocabulary: readonly Uint8Array[], stops: readonly number[]) {
    this.#rules = rules;
    this.#vocabulary = vocabulary;
    this.#stops = stops;
    this.#places = this.#expanded([[0]]);
  }

  /** All allowed tokens. */
  allowed(): readonly number[] {
    return [...this.#vocabulary.keys()].filter((token) =>
      this.#stops.includes(token)
        ? this.#places.some(({ stack, bytes }) => stack.length === 0 && bytes.length === 0)
        : this.#after(token).length > 0,
    );
  }

  go(token: number): void {
    this.#places = this.#stops.includes(token) ? [] : this.#after(token);
  }

  #after(token: number): readonly Place[] {
    const bytes = this.#vocabulary[token] ?? new Uint8Array();
    const asItem = this.#places.flatMap(({ stack: [top, ...rest], bytes: begun }) =>
      begun.length === 0 && Array.isArray(top) && top[0] === 't' && top[1] === token ? [rest] : [],
    );
    let places: readonly Place[] = bytes.length === 0 ? [] : this.#places;
    for (const byte of bytes) places = distinct(places.flatMap((place) => this.#withByte(place, byte)));
    return distinct([...places, ...this.#expanded(asItem)]);
  }

  #withByte({ stack: [top, ...rest], bytes }: Place, byte: number): readonly Place[] {
    if (!Array.isArray(top) || top[0] === 't') return [];
    const begun = [...bytes, byte];
    const range = rangeOf(begun);
    const isMet = characters(top).some(([lo, hi]) => range !== null && lo <= range.hi && hi >= range.lo);
    if (range === null || !isMet) return [];
    return range.missing > 0 ? [{ stack: [top, ...rest], bytes: begun }] : this.#expanded([rest]);
  }

  /** Replaces the rules on top until a character, a token or the end stands there. */
  #expanded(stacks: readonly (readonly Item[])[]): readonly Place[] {
    const queue = [...stacks];
    const places: Place[] = [];
    for (let stack = queue.pop(); stack !== undefined; stack = queue.pop()) {
      const [top, ...rest] = stack;
      if (typeof top !== 'number') places.push({ stack, bytes: [] });
      else
        for (const alternative of this.#rules[top] ?? [])
          if (alternative.every((item) => typeof item === 'number' || item[0] === 't' || characters(item).length > 0))
            queue.push([...alternative, ...rest]);
    }
    return distinct(places);
  }
}

function distinct(places: readonly Place[]): readonly Place[] {
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

/** The code points whose UTF-8 begins with these bytes, and how many bytes they still need; null if there are none. */
function rangeOf(
  bytes: readonly number[],
): { readonly lo: number; readonly hi: number; readonly missing: number } | null {
  const [first = 0, ...rest] = bytes;
  const length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
  if (length === 0 || rest.some((byte) => byte >> 6 !== 2)) return null;
  const bits = rest.reduce(
    (sum, byte) => sum * 64 + (byte & 63),
    length === 1 ? first : first & (2 ** (7 - length) - 1),
  );
  const missing = length - bytes.length;
  const lo = Math.max(bits * 64 ** missing, [0, 0, 0x80, 0x800, 0x10000][length] ?? 0);
  const hi = Math.min((bits + 1) * 64 ** missing - 1, 0x10ffff);
  return lo > hi ? null : { lo, hi, missing };
}
