import assert from 'node:assert/strict';
import { it } from 'node:test';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { hiddenAddresses } from '../../../../src/node/peer/dial/incognito.ts';
import { testIdentity } from '../../../support/peers.ts';

it('a client that hides dials a provider through relays of others alone, named ones first', async () => {
  const [provider, first, second] = [await testIdentity(), await testIdentity(), await testIdentity()].map(
    ({ peer }) => peer,
  ) as [never, never, never];
  const via = (ip: string, relay: string): string => `/ip4/${ip}/tcp/4001/p2p/${relay}/p2p-circuit`;
  const choose = (addrs: readonly string[], named: readonly never[] = []): readonly string[] =>
    hiddenAddresses(
      peerIdFromString(provider),
      addrs.map((each) => multiaddr(each)),
      new Set(named),
    ).map(String);
  const direct = '/ip4/8.8.8.8/tcp/4001';
  const ofFirst = via('8.0.0.1', first);
  const ofSecond = via('8.0.0.2', second);
  assert.deepEqual(choose([direct, ofFirst, ofSecond]), [ofFirst, ofSecond]);
  assert.deepEqual(choose([direct, ofFirst, ofSecond], [second]), [ofSecond]);
  // The provider's own relay, by its address and by its key.
  assert.deepEqual(choose([direct, via('8.8.8.8', first), ofSecond]), [ofSecond]);
  for (const addrs of [[], [direct], [direct, via('8.8.8.8', first)], [via('8.0.0.1', provider)]])
    assert.throws(() => choose(addrs), { code: 'E_NETWORK', message: /not reached through a relay of somebody else/ });
  // A relay or router of the configuration itself.
  assert.deepEqual(choose([direct], [provider]), [direct]);
});
