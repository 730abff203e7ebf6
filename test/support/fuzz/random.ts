/** Numbers that look random and come again for the same seed (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('"items" expected at least one');
    return item;
  }
}

/** Bytes in which hostile values are found sooner than by chance: ends of ranges, heads of CBOR, JSON's own signs. */
const telling = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x18, 0x1b, 0x5b, 0x60, 0x9b, 0xa0, 0xbf, 0xf6, 0x22, 0x2d, 0x5c, 0x7b, 0x7d,
];

/** `bytes` changed in one to four places: bits, bytes, pieces left out, doubled, or taken from `other`. */
export function mutated(bytes: Uint8Array, other: Uint8Array, random: SeededRandom): Uint8Array {
  let result = bytes;
  for (let times = 1 + random.below(4); times > 0; times--) result = mutatedOnce(result, other, random);
  return result;
}

function mutatedOnce(bytes: Uint8Array, other: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(random.below(4) === 0 ? 64 : 4);
  const copy = bytes.slice();
  switch (random.below(6)) {
    case 0:
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      if (at < copy.length) copy[at] = random.below(256);
      return copy;
    case 2:
      if (at < copy.length) copy[at] = random.pick(telling);
      return copy;
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at));
    default: {
      const from = random.below(other.length + 1);
      return joined(bytes.subarray(0, at), other.subarray(from, from + length), bytes.subarray(at + length));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
