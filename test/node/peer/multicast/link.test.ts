import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { isFrom, type LinkPlace, linkPlaces } from '../../../../src/node/peer/multicast/link.ts';

function info(address: string, cidr: string, scopeid = 0): NetworkInterfaceInfo {
  const base = { address, cidr, netmask: '', mac: '', internal: false };
  return address.includes(':') ? { ...base, family: 'IPv6', scopeid } : { ...base, family: 'IPv4' };
}

const interfaces = {
  lo: [info('127.0.0.1', '127.0.0.1/8'), info('::1', '::1/128')],
  eth0: [
    info('192.168.1.5', '192.168.1.5/24'),
    info('192.168.2.5', '192.168.2.5/24'),
    info('fd00::5', 'fd00::5/64'),
    info('fe80::5', 'fe80::5/64', 2),
  ],
  tun0: [info('10.8.0.2', '10.8.0.2/32')],
};

function place(name: string): LinkPlace {
  const found = linkPlaces(interfaces).find((each) => each.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

test('every interface is a link of each of its families, IPv4 first, with its addresses of both', () => {
  const [lo, eth0] = [interfaces.lo, interfaces.eth0].map((infos) => infos.map(({ address }) => address));
  assert.deepEqual(
    linkPlaces(interfaces).map(({ name, at, addresses }) => [name, at, addresses]),
    [
      ['lo IPv4', '127.0.0.1', lo],
      ['eth0 IPv4', '192.168.1.5', eth0],
      ['tun0 IPv4', '10.8.0.2', ['10.8.0.2']],
      ['lo IPv6', process.platform === 'win32' ? '::%0' : '::%lo', lo],
      ['eth0 IPv6', process.platform === 'win32' ? '::%0' : '::%eth0', eth0],
    ],
  );
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`veth${at}`, interfaces.eth0]));
  assert.equal(linkPlaces(many).length, 32);
  assert.equal(linkPlaces({}).length, 0);
});

test('a packet belongs to the link whose subnet or scope it came from', { skip: process.platform === 'win32' }, () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['eth0 IPv4', '192.168.1.77', true],
    ['eth0 IPv4', '192.168.2.77', true],
    ['eth0 IPv4', '192.168.3.77', false],
    ['eth0 IPv4', '8.8.8.8', false],
    ['eth0 IPv4', 'fd00::77', false],
    ['tun0 IPv4', '10.8.0.2', true],
    ['tun0 IPv4', '10.8.0.3', false],
    ['lo IPv4', '127.0.0.1', true],
    ['eth0 IPv6', 'fe80::77%eth0', true],
    ['eth0 IPv6', 'fe80::77%eth1', false],
    ['eth0 IPv6', 'fd00::77', true],
    ['eth0 IPv6', '2001:db9::1', false],
    ['eth0 IPv6', '192.168.1.77', false],
    ['lo IPv6', '::1', true],
    ['lo IPv6', 'nonsense', false],
  ];
  for (const [name, from, expected] of cases) assert.equal(isFrom(place(name), from), expected, `${from} at ${name}`);
});
