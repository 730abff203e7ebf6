import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../../../../src/lib/log.ts';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { RelaySearch } from '../../../../src/node/peer/reach/relay-search.ts';
import { roleKey } from '../../../../src/protocol/discovery-keys.ts';

it('relays are looked for in the hash table, with addresses that work from anywhere, now and then', async () => {
  let [now, size, searches] = [0, 0, 0];
  const known: Readonly<Record<string, readonly string[]>> = {
    one: ['/ip4/192.168.1.7/tcp/4001', '/ip4/8.8.8.8/tcp/4001', '/dns4/relay.example/tcp/443', '/ip4/8.8.8.8/tcp/1'],
    hidden: ['/ip4/10.0.0.1/tcp/4001', '/ip4/8.8.8.8/tcp/4001/p2p/x/p2p-circuit'],
  };
  const found: string[] = [];
  const search = new RelaySearch(
    {
      routing: {
        size: () => size,
        async *providers(key) {
          searches += 1;
          assert.deepEqual(key, roleKey('relay'));
          for (const peer of Object.keys(known)) yield { peer: peer as PeerIdString };
        },
      },
      addressesOf: async (peer) => known[peer] ?? [],
      logger: silentLogger,
      monotonic: () => now,
    },
    (peer, addrs) => found.push(peer, ...addrs),
  );
  const tick = async (at: number): Promise<void> => {
    now = at;
    search.tick();
    await new Promise(setImmediate);
  };
  await tick(0);
  assert.equal(searches, 0);
  size = 1;
  await tick(1_000);
  await tick(20_000);
  assert.equal(searches, 1);
  assert.deepEqual(found, ['one', '/ip4/8.8.8.8/tcp/4001/p2p/one', '/dns4/relay.example/tcp/443/p2p/one']);
  await tick(21_000);
  assert.equal(searches, 2);
});

it('searches that find no new relay become rare; a new one, or relays that were not missing, begin anew', async () => {
  let now = 0;
  let relays = ['one'];
  const searchedAt: number[] = [];
  const search = new RelaySearch(
    {
      routing: {
        size: () => 1,
        async *providers() {
          searchedAt.push(now / 1_000);
          yield* relays.map((peer) => ({ peer: peer as PeerIdString }));
        },
      },
      addressesOf: async () => ['/ip4/8.8.8.8/tcp/4001'],
      logger: silentLogger,
      monotonic: () => now,
    },
    () => undefined,
  );
  const pass = async (seconds: number): Promise<void> => {
    for (const until = now + seconds * 1_000; now < until; now += 1_000) {
      search.tick();
      await new Promise(setImmediate);
    }
  };
  await pass(1_500);
  assert.deepEqual(searchedAt.splice(0), [0, 20, 60, 140, 300, 600, 900, 1_200]);
  relays = ['one', 'two'];
  await pass(80);
  assert.deepEqual(searchedAt.splice(0), [1_500, 1_520, 1_560]);
  // Before the next one is due, which is at 1,640 s.
  now += 30_000;
  await pass(1);
  assert.deepEqual(searchedAt, [1_610]);
});
