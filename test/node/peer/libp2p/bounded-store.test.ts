import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { CID } from 'multiformats/cid';
import { identityFromSeed } from '../../../../src/node/home/identity.ts';
import { BoundedStore, type StoreLimits } from '../../../../src/node/peer/libp2p/bounded-store.ts';
import { SeededRandom } from '../../../support/fuzz/random.ts';

type Key = Parameters<BoundedStore['get']>[0];

/** Of a key the store uses nothing but its text. */
const key = (name: string): Key => ({ toString: () => name }) as Key;
const value = Uint8Array.of(1);

async function peerId(): Promise<PeerId> {
  return peerIdFromString((await identityFromSeed(randomBytes(32))).peer);
}

async function makeStore(
  limits: Partial<StoreLimits>,
  random?: () => number,
): Promise<{ store: BoundedStore; own: Key }> {
  const own = await peerId();
  return {
    store: new BoundedStore(CID.parse(own.toCID().toString()), limits, random),
    own: key(`/peers/${own.toCID().toString()}`),
  };
}

test('an entry is read back, listed by prefix, and gone once deleted', async () => {
  const { store } = await makeStore({});
  for (const name of ['/dht/record/a', '/dht/record/b', '/peers/x']) store.put(key(name), value);
  assert.deepEqual(store.get(key('/dht/record/a')), value);
  assert.deepEqual(
    [...store.query({ prefix: '/dht/record/' })].map((pair) => pair.key.toString()),
    ['/dht/record/a', '/dht/record/b'],
  );
  assert.deepEqual([...store.queryKeys({ prefix: '/dht/', offset: 1, limit: 1 })].map(String), ['/dht/record/b']);
  store.delete(key('/dht/record/a'));
  assert.equal(store.has(key('/dht/record/a')), false);
  assert.throws(() => store.get(key('/dht/record/a')), { name: 'NotFoundError' });
});

test('beyond the limit the peer renewed longest ago is removed with its records, but never this node', async () => {
  const { store, own } = await makeStore({ peers: 3 });
  store.put(own, value);
  const [first, second, third] = await Promise.all([peerId(), peerId(), peerId()]);
  const keyOf = (peer: PeerId): Key => key(`/peers/${peer.toCID().toString()}`);
  const recordOf = (peer: PeerId): Key => key(`/dht/provider/cid/${peer.toString()}`);
  for (const peer of [first, second]) {
    store.put(keyOf(peer), value);
    store.put(recordOf(peer), value);
  }
  store.put(keyOf(first), value);
  store.put(keyOf(third), value);
  assert.deepEqual(
    [own, keyOf(first), keyOf(second), keyOf(third)].map((one) => store.has(one)),
    [true, true, false, true],
  );
  assert.deepEqual(
    [recordOf(first), recordOf(second)].map((one) => store.has(one)),
    [true, false],
  );
});

test('records are limited per peer and in all, and a renewed one stays', async () => {
  const { store } = await makeStore({ recordsPerPeer: 2, records: 3 });
  const put = (cid: string, peer: string): void => void store.put(key(`/dht/provider/${cid}/${peer}`), value);
  for (const cid of ['a', 'b', 'c']) put(cid, 'greedy');
  const names = (): string[] => [...store.queryKeys({ prefix: '/dht/provider/' })].map(String).sort();
  assert.deepEqual(names(), ['/dht/provider/a/greedy', '/dht/provider/b/greedy']);
  put('a', 'modest');
  put('a', 'greedy');
  put('b', 'modest');
  assert.deepEqual(names(), ['/dht/provider/a/greedy', '/dht/provider/a/modest', '/dht/provider/b/modest']);
});

test('a popular key leaves room for others, and an answer has some of its records, by chance', async () => {
  const random = new SeededRandom(1);
  const { store } = await makeStore({ recordsPerKey: 100, recordsPerAnswer: 10 }, () => random.below(1_000) / 1_000);
  const put = (cid: string, peer: string): void => void store.put(key(`/dht/provider/${cid}/${peer}`), value);
  put('rare', 'only');
  for (let at = 0; at < 5_000; at++) put('popular', `${at}`);
  put('popular', '4900');
  put('popular', 'last');
  const all = [...store.queryKeys({ prefix: '/dht/provider/popular' })].map(String);
  // The renewed one is younger than the one after it.
  assert.deepEqual(
    [all.length, all.includes('/dht/provider/popular/4900'), all.includes('/dht/provider/popular/4901')],
    [100, true, false],
  );
  const answer = (cid: string): string[] =>
    [...store.query({ prefix: `/dht/provider/${cid}` })].map((pair) => pair.key.toString());
  assert.deepEqual(answer('rare'), ['/dht/provider/rare/only']);
  assert.equal(new Set(answer('popular')).size, 10);
  const answered = new Set<string>();
  for (let question = 0; question < 200; question++) for (const name of answer('popular')) answered.add(name);
  assert.deepEqual([...answered].sort(), all.sort());
  for (const name of all) store.delete(key(name));
  assert.deepEqual(answer('popular'), []);
});

test('the peers of the routing table stay when others announce themselves in any number', async () => {
  const { store } = await makeStore({ peers: 10 });
  const keyOf = async (): Promise<Key> => key(`/peers/${(await peerId()).toCID().toString()}`);
  const inTable = await Promise.all(Array.from({ length: 5 }, keyOf));
  for (const each of inTable) store.put(each, Buffer.from('…kad-peer…'));
  for (let at = 0; at < 50; at++) store.put(await keyOf(), value);
  assert.deepEqual(
    inTable.map((each) => store.has(each)),
    inTable.map(() => true),
  );
  assert.equal([...store.queryKeys({ prefix: '/peers/' })].length, 10);
  // A table that fills the store does not stop it from forgetting.
  for (let at = 0; at < 50; at++) store.put(await keyOf(), Buffer.from('kad-peer'));
  assert.equal([...store.queryKeys({ prefix: '/peers/' })].length, 10);
});

test('a batch is written when it is committed', async () => {
  const { store } = await makeStore({});
  const batch = store.batch();
  batch.put(key('/dht/record/a'), value);
  batch.put(key('/dht/record/b'), value);
  batch.delete(key('/dht/record/b'));
  assert.equal(store.has(key('/dht/record/a')), false);
  await batch.commit();
  assert.deepEqual([...store.queryKeys({})].map(String), ['/dht/record/a']);
});
