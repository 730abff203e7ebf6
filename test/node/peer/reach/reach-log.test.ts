import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { ReachLog } from '../../../../src/node/peer/reach/reach-log.ts';
import { addressOf, startPeer } from '../../../support/peers.ts';

describe('how a node is reached', () => {
  it('shows in inbound connections and in observed addresses', async (context) => {
    const [listening, dialling] = [
      await startPeer(context, { role: 'provider' }),
      await startPeer(context, { role: 'client' }),
    ];
    assert.deepEqual(listening.reach(), {
      way: 'unknown',
      observed: [],
      dialledIn: { loopback: 0, private: 0, public: 0 },
      direct: [],
      failed: [],
      relays: [],
      punches: { mapping: 'unknown', tried: 0, succeeded: 0 },
    });
    const known = Promise.all([once(listening.events, 'identify'), once(dialling.events, 'identify')]);
    await dialling.connect(addressOf(listening));
    await known;
    assert.deepEqual(listening.reach().dialledIn, { loopback: 1, private: 0, public: 0 });
    assert.deepEqual(listening.reach().observed, ['127.0.0.1']);
    assert.deepEqual(dialling.reach().dialledIn, { loopback: 0, private: 0, public: 0 });
    assert.deepEqual(dialling.reach().observed, ['127.0.0.1']);
  });

  it('stays small, whatever peers claim', () => {
    const log = new ReachLog();
    for (let at = 0; at < 9; at++) log.identified({ observedAddr: multiaddr(`/ip4/8.8.8.${at}/tcp/1`) });
    log.identified({ observedAddr: multiaddr('/dns4/example.org/tcp/1') });
    log.identified({});
    log.identified({ observedAddr: multiaddr('/ip4/8.8.8.6/tcp/2') });
    assert.deepEqual(log.value.observed, ['8.8.8.5', '8.8.8.7', '8.8.8.8', '8.8.8.6']);
    for (const [direction, address] of [
      ['inbound', '/ip4/8.8.8.8/tcp/1'],
      ['inbound', '/ip4/192.168.1.2/tcp/1'],
      ['outbound', '/ip4/8.8.8.8/tcp/1'],
    ] as const)
      log.opened({ direction, remoteAddr: multiaddr(address) });
    assert.deepEqual(log.value.dialledIn, { loopback: 0, private: 1, public: 1 });
  });
});
