import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestAddresses } from '../../../src/node/peer/addresses.ts';

test('a node with many interfaces names its sixteen best addresses, public ones first', () => {
  const loopback = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2'];
  const near = ['/ip4/192.168.1.5/tcp/1', '/ip6/fd00::5/tcp/2'];
  const far = ['/ip6/2a02::5/tcp/2', '/ip4/8.8.8.8/tcp/1'];
  assert.deepEqual(bestAddresses([...loopback, ...near, ...far]), [...far, ...near, ...loopback]);
  const bridges = Array.from({ length: 40 }, (_, at) => `/ip4/172.17.${at}.1/tcp/1`);
  const best = bestAddresses([...loopback, ...bridges, ...far]);
  assert.deepEqual(best, [...far, ...bridges.slice(0, 14)]);
});
