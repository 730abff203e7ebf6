import { NotFoundError } from '@libp2p/interface';
import { peerIdFromCID } from '@libp2p/peer-id';
import type { Libp2pOptions } from 'libp2p';
import { CID } from 'multiformats/cid';
import { takeAny } from '../../../lib/chance.ts';

export type Datastore = NonNullable<Libp2pOptions['datastore']>;
type Key = Parameters<Datastore['get']>[0];
type Query = Parameters<Datastore['query']>[0];
type KeyQuery = Parameters<Datastore['queryKeys']>[0];

interface Pair {
  readonly key: Key;
  readonly value: Uint8Array;
}

export interface StoreLimits {
  /** @default 4096 */
  readonly peers: number;
  /** Provider records of all peers. @default 16_384 */
  readonly records: number;
  /** Provider records of one peer. @default 256 */
  readonly recordsPerPeer: number;
  /** Provider records of one key, so that a popular key leaves room for others. @default 1024 */
  readonly recordsPerKey: number;
  /** Provider records of one key in one answer, drawn by chance: the hash table would send all of them. @default 64 */
  readonly recordsPerAnswer: number;
  /** Other entries of the hash table. @default 256 */
  readonly others: number;
}

export const defaultStoreLimits: StoreLimits = {
  peers: 4096,
  records: 16_384,
  recordsPerPeer: 256,
  recordsPerKey: 1024,
  recordsPerAnswer: 64,
  others: 256,
};

const peersPrefix = '/peers/';
const recordsPrefix = '/dht/provider/';
/** Ends the prefix under which the hash table looks up all records of one key. */
const oneKey = /^\/dht\/provider\/([^/]+)$/;
/** The hash table tags each peer of its routing table so. */
const tableTag = Buffer.from('kad-peer');
/** Peers of the routing table that are passed over in the search for one to forget. */
const maxSpared = 32;

/**
 * libp2p's records of other peers, in memory. Anyone may add records with any number of keys, so each kind has a limit,
 * beyond which the record that was renewed longest ago is removed.
 */
export class BoundedStore implements Datastore {
  readonly #limits: StoreLimits;
  readonly #ownKey: string;
  readonly #peers = new Map<string, Pair>();
  readonly #records = new Map<string, Pair>();
  readonly #recordsOf = new Map<string, Set<string>>();
  /** Names of the records of each key, the one renewed longest ago first. */
  readonly #recordsFor = new Map<string, Set<string>>();
  readonly #random: () => number;
  readonly #others = new Map<string, Pair>();

  /**
   * @param ownPeer this node's peer id as a CID, which is never forgotten
   * @param random 0 … 1. @default Math.random
   */
  constructor(ownPeer: CID, limits: Partial<StoreLimits> = {}, random: () => number = Math.random) {
    this.#ownKey = `${peersPrefix}${ownPeer.toString()}`;
    this.#limits = { ...defaultStoreLimits, ...limits };
    this.#random = random;
  }

  put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    const kind = this.#kindOf(name);
    // A renewed entry becomes the youngest.
    kind.delete(name);
    if (kind === this.#records && !this.#admit(name)) return key;
    kind.set(name, { key, value });
    const { peers, records, others } = this.#limits;
    if (kind.size > (kind === this.#peers ? peers : kind === this.#records ? records : others))
      this.#forgetOldest(kind);
    return key;
  }

  get(key: Key): Uint8Array {
    const name = key.toString();
    const pair = this.#kindOf(name).get(name);
    if (pair === undefined) throw new NotFoundError();
    return pair.value;
  }

  has(key: Key): boolean {
    const name = key.toString();
    return this.#kindOf(name).has(name);
  }

  delete(key: Key): void {
    this.#remove(key.toString());
  }

  async *putMany(source: Iterable<Pair> | AsyncIterable<Pair>): AsyncGenerator<Key> {
    for await (const { key, value } of source) yield this.put(key, value);
  }

  async *getMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Pair> {
    for await (const key of source) yield { key, value: this.get(key) };
  }

  async *deleteMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Key> {
    for await (const key of source) {
      this.delete(key);
      yield key;
    }
  }

  batch(): ReturnType<Datastore['batch']> {
    const steps: (() => void)[] = [];
    return {
      put: (key, value) => void steps.push(() => void this.put(key, value)),
      delete: (key) => void steps.push(() => this.delete(key)),
      commit: () => {
        for (const step of steps.splice(0)) step();
      },
    };
  }

  *query({ prefix = '', filters = [], orders = [], offset = 0, limit }: Query): Generator<Pair> {
    const key = oneKey.exec(prefix)?.[1];
    const pairs = key === undefined ? this.#withPrefix(prefix) : this.#someFor(key);
    const found = pairs.filter((pair) => filters.every((fits) => fits(pair)));
    for (const order of orders) found.sort(order);
    yield* found.slice(offset, limit === undefined ? undefined : offset + limit);
  }

  *queryKeys({ prefix = '', filters = [], orders = [], offset = 0, limit }: KeyQuery): Generator<Key> {
    const found = this.#withPrefix(prefix)
      .map(({ key }) => key)
      .filter((key) => filters.every((fits) => fits(key)));
    for (const order of orders) found.sort(order);
    yield* found.slice(offset, limit === undefined ? undefined : offset + limit);
  }

  #kindOf(name: string): Map<string, Pair> {
    return name.startsWith(peersPrefix) ? this.#peers : name.startsWith(recordsPrefix) ? this.#records : this.#others;
  }

  #withPrefix(prefix: string): Pair[] {
    const kinds =
      prefix.startsWith(peersPrefix) || prefix.startsWith(recordsPrefix)
        ? [this.#kindOf(prefix)]
        : [this.#peers, this.#records, this.#others];
    return kinds.flatMap((kind) => [...kind].flatMap(([name, pair]) => (name.startsWith(prefix) ? [pair] : [])));
  }

  /** Some records of a key, by chance if there are more than an answer may have. */
  #someFor(key: string): Pair[] {
    const names = [...(this.#recordsFor.get(key) ?? [])];
    const count = Math.min(names.length, this.#limits.recordsPerAnswer);
    const chosen = Array.from({ length: count }, () => takeAny(names, this.#random) ?? '');
    return chosen.flatMap((name) => this.#records.get(name) ?? []);
  }

  /** Counts a record for its peer and its key. False if the peer has too many. */
  #admit(name: string): boolean {
    const { recordsPerPeer, recordsPerKey } = this.#limits;
    const peer = peerOfRecord(name);
    const own = this.#recordsOf.get(peer) ?? new Set();
    if (!own.has(name) && own.size >= recordsPerPeer) return false;
    this.#recordsOf.set(peer, own.add(name));
    const key = keyOfRecord(name);
    const same = this.#recordsFor.get(key) ?? new Set();
    same.delete(name);
    this.#recordsFor.set(key, same.add(name));
    const [oldest] = same;
    if (same.size > recordsPerKey && oldest !== undefined) this.#remove(oldest);
    return true;
  }

  #forgetOldest(kind: Map<string, Pair>): void {
    let spared = 0;
    for (const [name, pair] of kind) {
      if (name === this.#ownKey) continue;
      // The nodes near a popular key learn the addresses of all that announce it, and would forget their own table.
      if (kind === this.#peers && spared < maxSpared && isOfTable(pair)) {
        spared++;
        kind.delete(name);
        kind.set(name, pair);
        continue;
      }
      this.#remove(name);
      // The hash table does not answer for a key if one of its providers has no addresses.
      if (kind === this.#peers)
        for (const record of [...(this.#recordsOf.get(peerOfKey(name)) ?? [])]) this.#remove(record);
      return;
    }
  }

  #remove(name: string): void {
    const kind = this.#kindOf(name);
    if (!kind.delete(name) || kind !== this.#records) return;
    const peer = peerOfRecord(name);
    const own = this.#recordsOf.get(peer);
    own?.delete(name);
    if (own?.size === 0) this.#recordsOf.delete(peer);
    const key = keyOfRecord(name);
    const same = this.#recordsFor.get(key);
    same?.delete(name);
    if (same?.size === 0) this.#recordsFor.delete(key);
  }
}

function isOfTable({ value }: Pair): boolean {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(tableTag);
}

function keyOfRecord(name: string): string {
  return name.slice(recordsPrefix.length, name.lastIndexOf('/'));
}

function peerOfRecord(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

function peerOfKey(name: string): string {
  // The function's type excludes the codec of peer ids.
  return peerIdFromCID(
    CID.parse(name.slice(peersPrefix.length)) as unknown as Parameters<typeof peerIdFromCID>[0],
  ).toString();
}
