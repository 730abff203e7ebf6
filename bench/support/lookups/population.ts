/** Splits of the id space at which a table of kad-dht stops by default, and peers in one bucket. */
export const flatDepth = 6;
export const bucketSize = 20;

/** How a node divides its routing table. */
export interface TableShape {
  /** Splits of every part of the id space. */
  readonly depth: number;
  /** Whether the parts around the node's own id are divided further, until the last holds no more than a bucket. */
  readonly followsOwnId: boolean;
}

/** Part of the id space: ids that begin with the first `depth` bits of `prefix`, which are `from` … `to` of all. */
interface Part {
  readonly prefix: number;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
}

/** 32 bits without order, from two numbers. */
export function mixed(a: number, b: number): number {
  let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The nodes of a modelled network: ids of 32 bits from a fixed seed, and what each node's routing table holds. No table
 * is stored: a bucket with more nodes than it has places holds some that follow from the ids of its owner and the
 * bucket. That is a table that has settled: its owner has met enough nodes to fill each bucket.
 */
export class Population {
  readonly ids: Uint32Array;
  readonly #shape: TableShape;
  /** Share of nodes that are dead, of 2^32. */
  readonly #dead: number;

  /** @param deadShare of the nodes that no longer answer and that every table still holds */
  constructor(size: number, shape: TableShape, deadShare = 0) {
    const ids = new Set<number>();
    for (let at = 0; ids.size < size; at++) ids.add(mixed(at, 0x5ca1e));
    this.ids = Uint32Array.from(ids).sort();
    this.#shape = shape;
    this.#dead = deadShare * 2 ** 32;
  }

  isAlive(id: number): boolean {
    return mixed(id, 0xdead) >= this.#dead;
  }

  /** The nodes that are nearest to `target`, nearest first. */
  nearest(target: number, count: number): readonly number[] {
    return nearestOf(
      this.#collect(target, count, (part) => this.#all(part), 32),
      target,
      count,
    );
  }

  /** The nodes in the table of `owner` that are nearest to `target`, nearest first. */
  known(owner: number, target: number, count = bucketSize): readonly number[] {
    const inBucket = (part: Part): readonly number[] => this.#drawn(part, owner);
    return nearestOf(this.#collect(target, count + 1, inBucket, null, owner), target, count + 1)
      .filter((id) => id !== owner)
      .slice(0, count);
  }

  /** Contents of the parts nearest to `target`, until they are `count`. */
  #collect(
    target: number,
    count: number,
    contents: (part: Part) => readonly number[],
    maxDepth: number | null,
    owner = 0,
  ): number[] {
    const found: number[] = [];
    const visit = (part: Part): void => {
      if (found.length >= count || part.from === part.to) return;
      if (!this.#isSplit(part, maxDepth, owner)) {
        found.push(...contents(part));
        return;
      }
      const [zeros, ones] = this.#halves(part);
      const isOne = ((target >>> (31 - part.depth)) & 1) === 1;
      visit(isOne ? ones : zeros);
      visit(isOne ? zeros : ones);
    };
    visit({ prefix: 0, depth: 0, from: 0, to: this.ids.length });
    return found;
  }

  #isSplit({ prefix, depth, from, to }: Part, maxDepth: number | null, owner: number): boolean {
    if (to - from <= bucketSize || depth >= 32) return false;
    if (maxDepth !== null) return depth < maxDepth;
    if (depth < this.#shape.depth) return true;
    return this.#shape.followsOwnId && (owner ^ prefix) >>> (32 - depth) === 0;
  }

  #halves({ prefix, depth, from, to }: Part): readonly [Part, Part] {
    const bit = 2 ** (31 - depth);
    const middle = this.#firstAtLeast(prefix + bit, from, to);
    return [
      { prefix, depth: depth + 1, from, to: middle },
      { prefix: prefix + bit, depth: depth + 1, from: middle, to },
    ];
  }

  #firstAtLeast(id: number, from: number, to: number): number {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ids[middle] ?? 0) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #all({ from, to }: Part): readonly number[] {
    return [...this.ids.subarray(from, to)];
  }

  #drawn(part: Part, owner: number): readonly number[] {
    const size = part.to - part.from;
    if (size <= bucketSize) return this.#all(part);
    const places = new Set<number>();
    for (let draw = 0; places.size < bucketSize; draw++)
      places.add(mixed(owner ^ mixed(part.prefix, part.depth), draw) % size);
    return [...places].map((place) => this.ids[part.from + place] ?? 0);
  }
}

/** @returns a negative number if `a` is nearer to `target` than `b` */
export function byDistance(target: number): (a: number, b: number) => number {
  return (a, b) => ((a ^ target) >>> 0) - ((b ^ target) >>> 0);
}

function nearestOf(ids: number[], target: number, count: number): readonly number[] {
  return ids.sort(byDistance(target)).slice(0, count);
}
