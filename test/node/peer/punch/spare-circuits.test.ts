import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { SpareCircuits } from '../../../../src/node/peer/punch/spare-circuits.ts';

const peer = '12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk';
const [direct, relayed] = ['/ip4/8.8.8.8/tcp/1', `/ip4/8.8.4.4/tcp/1/p2p/${peer}/p2p-circuit`];

it('a relayed connection is closed beside a direct one, but never with a stream', () => {
  let now = 0;
  const closed: string[] = [];
  const connection = (id: string, address: string, remotePeer: string, streams: readonly unknown[] = []): Connection =>
    ({
      id,
      remotePeer,
      streams,
      status: 'open',
      remoteAddr: multiaddr(address),
      close: async () => void closed.push(id),
    }) as unknown as Connection;
  const circuits = new SpareCircuits(() => now);
  const alone = connection('alone', relayed, 'a');
  const busy = connection('busy', relayed, 'b', ['a job']);
  const all = [
    alone,
    busy,
    connection('b direct', direct, 'b'),
    connection('spare', relayed, 'c'),
    connection('c direct', direct, 'c'),
  ];
  circuits.tick(all);
  now = 9_999;
  circuits.tick(all);
  assert.deepEqual(closed, []);
  // A stream in between starts the time anew.
  circuits.tick(all.map((each) => (each.id === 'spare' ? connection('spare', relayed, 'c', ['a job']) : each)));
  now = 10_000;
  circuits.tick(all);
  assert.deepEqual(closed, []);
  now = 20_000;
  circuits.tick(all);
  assert.deepEqual(closed, ['spare']);
});
