import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ipOfMultiaddr, kindOfIp } from '../../src/lib/ip-kind.ts';

it('classifies addresses by their reach', () => {
  const kinds = {
    loopback: ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'],
    private: [
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.5',
      '169.254.1.1',
      '100.64.0.1',
      'fd00::1',
      'fe80::1',
      'fe80::1%eth0',
      '::ffff:10.0.0.1',
      '0.0.0.0',
      '::',
      '192.0.2.1',
      '2001:db8::1',
    ],
    public: ['1.1.1.1', '172.32.0.1', '100.128.0.1', '192.169.0.1', '2001:4860::8888', '::ffff:8.8.8.8'],
  };
  for (const [kind, addresses] of Object.entries(kinds))
    for (const address of addresses) assert.equal(kindOfIp(address), kind, address);
  for (const none of ['', 'localhost', '1.2.3', '1.2.3.4.5', '/ip4/1.2.3.4', ':::'])
    assert.equal(kindOfIp(none), null, none);
});

it('finds the address in a multiaddr', () => {
  assert.equal(ipOfMultiaddr('/ip4/192.168.1.5/tcp/4001/p2p/12D3KooW'), '192.168.1.5');
  assert.equal(ipOfMultiaddr('/ip6/fe80::1/tcp/4001'), 'fe80::1');
  assert.equal(ipOfMultiaddr('/ip6zone/eth0/ip6/fe80::1/tcp/4001'), 'fe80::1');
  assert.equal(ipOfMultiaddr('/dns4/example.org/tcp/443'), null);
});
