import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import type { Address } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { DialRanks, dialOrder } from '../../../../src/node/peer/dial/dial-order.ts';

function info(address: string, bits: number): NetworkInterfaceInfo {
  const base = { address, cidr: `${address}/${bits}`, netmask: '', mac: '', internal: false };
  return address.includes(':') ? { ...base, family: 'IPv6', scopeid: 0 } : { ...base, family: 'IPv4' };
}

function sorted(addrs: readonly string[], order: ReturnType<typeof dialOrder>): readonly string[] {
  const all = addrs.map((text): Address => ({ multiaddr: multiaddr(text), isCertified: false }));
  return all.sort(order).map((each) => each.multiaddr.toString());
}

const atHome = {
  lo: [info('127.0.0.1', 8), info('::1', 128)],
  eth0: [info('192.168.1.5', 24), info('2a02:1:2:3::5', 64)],
};

test('the likeliest and quickest addresses are dialled first', () => {
  const expected = [
    '/ip4/192.168.1.7/tcp/1',
    '/ip6/2a02:1:2:3::7/tcp/1',
    '/dns4/node.example/tcp/1',
    '/ip4/8.8.8.8/tcp/1',
    '/ip6/2a02:9:9:9::9/tcp/1',
    '/ip4/10.1.2.3/tcp/1',
    '/ip6/fd00::9/tcp/1',
    '/ip4/127.0.0.1/tcp/1',
    '/ip6/::1/tcp/1',
    '/ip4/8.8.4.4/tcp/1/p2p/12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk/p2p-circuit',
  ];
  const order = dialOrder(new DialRanks(() => atHome));
  for (let turn = 0; turn < expected.length; turn++) {
    const shuffled = [...expected.slice(turn), ...expected.slice(0, turn)];
    const result = sorted(shuffled, order);
    // Those of one rank keep their order.
    const ranks = [2, 2, 1, 2, 2, 1];
    let at = 0;
    for (const size of ranks) {
      assert.deepEqual(new Set(result.slice(at, at + size)), new Set(expected.slice(at, at + size)), `turn ${turn}`);
      at += size;
    }
  }
  assert.deepEqual(sorted(expected, order), expected);
});

test('the order follows a machine to another network', () => {
  let [interfaces, now] = [atHome as NodeJS.Dict<NetworkInterfaceInfo[]>, 0];
  const order = dialOrder(
    new DialRanks(
      () => interfaces,
      () => now,
    ),
  );
  const addrs = ['/ip4/8.8.8.8/tcp/1', '/ip4/10.1.2.3/tcp/1'];
  assert.deepEqual(sorted(addrs, order), addrs);
  interfaces = { wlan0: [info('10.1.2.9', 16)] };
  now = 10_000;
  assert.deepEqual(sorted(addrs, order), addrs.toReversed());
});
