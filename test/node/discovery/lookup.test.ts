import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { it } from 'node:test';
import type { QueryEvent } from '@libp2p/kad-dht';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { LivePeer } from '../../../src/node/discovery/live-peer.ts';
import { type Field, lookUp, searchRouting } from '../../../src/node/discovery/lookup.ts';
import { type Claim, claims } from '../../../src/node/peer/libp2p/claims.ts';
import { SeededRandom } from '../../support/fuzz/random.ts';
import { testModel } from '../../support/offers.ts';

const query = { model: 'alpha' } as const;
const name = (at: number): PeerIdString => `peer${at}` as PeerIdString;

/** A hash table that names peers, which are reached one turn after another. */
class TestField implements Field {
  readonly network = 'test';
  /** The peers that were tried, in order. */
  readonly tried: PeerIdString[] = [];
  mostPending = 0;
  queries = 0;
  readonly #named: readonly (PeerIdString | Claim)[];
  readonly #isDead: (peer: PeerIdString) => boolean;
  readonly #live: LivePeer[] = [];
  readonly #pending = new Set<PeerIdString>();
  readonly #changes = new EventEmitter();
  readonly #random = new SeededRandom(1);

  constructor(named: readonly (PeerIdString | Claim)[], isDead: (peer: PeerIdString) => boolean = () => false) {
    this.#named = named;
    this.#isDead = isDead;
  }

  /** Peers in the routing table. */
  tableSize = 1;
  readonly routing = {
    isEnabled: true,
    size: () => this.tableSize,
    providers: () => this.#providers(),
  };

  async *#providers(): AsyncGenerator<Claim> {
    this.queries++;
    for (const each of this.#named) yield typeof each === 'string' ? { peer: each, by: name(0) } : each;
  }

  live = (): readonly LivePeer[] => this.#live;
  pending = (): number => this.#pending.size;
  settled = (): boolean => this.#pending.size === 0;
  alone = (): boolean => false;
  hopeful = (): boolean => true;
  lastError = (): null => null;
  random = (): number => this.#random.below(1_000_000) / 1_000_000;

  onChange(listener: () => void): () => void {
    this.#changes.on('change', listener);
    return () => this.#changes.off('change', listener);
  }

  consider(peer: PeerIdString): void {
    this.tried.push(peer);
    this.#pending.add(peer);
    this.mostPending = Math.max(this.mostPending, this.#pending.size);
    setImmediate(() => {
      this.#pending.delete(peer);
      const card = { role: 'provider', models: [testModel('alpha')] };
      if (!this.#isDead(peer)) this.#live.push({ peer, card } as unknown as LivePeer);
      this.#changes.emit('change');
    });
  }
}

async function* none(): AsyncGenerator<Claim> {}

const thousand = Array.from({ length: 1_000 }, (_, at) => name(at));

it('of a thousand nodes that announce a model a question has only some reached, in no order of the table', async () => {
  const field = new TestField(thousand);
  const found = await lookUp(field, query, { graceMs: 60_000, timeoutMs: 60_000 });
  assert.ok(found.length > 0);
  assert.ok(field.tried.length <= 16, `${field.tried.length} were tried`);
  assert.ok(field.mostPending <= 8);
  const places = field.tried.map((peer) => thousand.indexOf(peer));
  assert.ok(
    places.some((place) => place >= 500),
    'the first ones that the table named are preferred',
  );
});

it('dead nodes count for nothing: the one that lives among a hundred is found', async () => {
  const hundred = thousand.slice(0, 100);
  const field = new TestField(hundred, (peer) => peer !== name(77));
  const found = await lookUp(field, query, { timeoutMs: 60_000 });
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [name(77)],
  );
});

it('a list of a large network ends at its limit, and a sweep that has as many asks the table no more', async () => {
  const field = new TestField(thousand);
  const found = await lookUp(field, query, { enough: () => false, timeoutMs: 60_000 });
  assert.ok(found.length >= 64);
  assert.ok(field.tried.length <= 72, `${field.tried.length} were tried`);
  const { queries } = field;
  await searchRouting(field, query, AbortSignal.timeout(60_000));
  assert.equal(field.queries, queries);
});

it('a routing table that is still empty ends no search: its first peer may be slow to answer', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += 100));
  const field = new TestField([name(1)]);
  field.tableSize = 0;
  let queries = 0;
  const { providers } = field.routing;
  field.routing.providers = () => {
    // Its first peer comes when the search asks for the third time.
    if (++queries === 3) field.tableSize = 1;
    return queries < 3 ? none() : providers();
  };
  const found = await lookUp(field, query, { timeoutMs: 600_000 });
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [name(1)],
  );
});

it('a node that names a thousand dead ones first does not keep the one that another node names waiting', async () => {
  const lies = thousand.map((peer) => ({ peer, by: name(2_000) }));
  const field = new TestField([...lies, { peer: name(3_000), by: name(2_001) }], (peer) => peer !== name(3_000));
  const found = await lookUp(field, query, { timeoutMs: 60_000 });
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [name(3_000)],
  );
  const before = field.tried.indexOf(name(3_000));
  assert.ok(before < 24, `${before} were tried before it`);
});

it('of one answer no more peers count than an honest node names', async () => {
  const providers = Array.from({ length: 1_000 }, (_, at) => ({ id: name(at) }));
  const answers = (async function* () {
    yield { name: 'PEER_RESPONSE', from: name(2_000), providers } as unknown as QueryEvent;
  })();
  const named: Claim[] = [];
  for await (const claim of claims(answers)) named.push(claim);
  assert.equal(named.length, 64);
  assert.deepEqual(named[63], { peer: name(63), by: name(2_000) });
});
