import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { MultiaddrConnection, PeerId } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { Bans } from '../../../../src/node/peer/guard/bans.ts';
import { LinkGuard } from '../../../../src/node/peer/guard/link-guard.ts';
import { connectionLimits, ipLimits } from '../../../../src/node/peer/libp2p.ts';

const anyone = { toString: () => 'peer' } as unknown as PeerId;

function connectionFrom(address: string): MultiaddrConnection {
  const [connection] = multiaddrConnectionPair();
  return Object.assign(connection, { remoteAddr: multiaddr(address) });
}

function guarded(role: keyof typeof connectionLimits) {
  const gater = new LinkGuard({ bans: new Bans() }, ipLimits(role)).gater();
  const take = async (address: string): Promise<MultiaddrConnection | null> => {
    const connection = connectionFrom(address);
    return (await gater.denyInboundConnection?.(connection)) === true ? null : connection;
  };
  const shake = (connection: MultiaddrConnection | null): void =>
    void (connection !== null && gater.denyInboundUpgradedConnection?.(anyone, connection));
  return { take, shake };
}

it('one address that says nothing on its connections leaves three quarters of the handshakes to others', async () => {
  const { take, shake } = guarded('provider');
  const open: MultiaddrConnection[] = [];
  for (let connection = await take('/ip4/8.8.8.8/tcp/1'); connection !== null; ) {
    open.push(connection);
    connection = await take(`/ip4/8.8.8.8/tcp/${open.length + 1}`);
  }
  assert.equal(open.length, connectionLimits.provider.maxIncomingPendingConnections / 4);
  assert.notEqual(await take('/ip4/8.8.4.4/tcp/1'), null);
  // A handshake that ends, well or badly, leaves its place to another one.
  shake(open[0] ?? null);
  open[1]?.abort(new Error('too late'));
  assert.notEqual(await take('/ip4/8.8.8.8/tcp/1'), null);
  assert.notEqual(await take('/ip4/8.8.8.8/tcp/1'), null);
  assert.equal(await take('/ip4/8.8.8.8/tcp/1'), null);
});

it('one address, or the IPv6 network of one customer, gets a quarter of the connections', async () => {
  for (const addressOf of [() => '/ip4/8.8.8.8/tcp/1', (at: number) => `/ip6/2606:4700::${at + 1}/tcp/1`]) {
    const { take, shake } = guarded('provider');
    const open: (MultiaddrConnection | null)[] = [];
    for (let at = 0; at < connectionLimits.provider.maxConnections / 4; at++) {
      open.push(await take(addressOf(at)));
      shake(open.at(-1) ?? null);
    }
    assert.ok(!open.includes(null));
    assert.equal(await take(addressOf(0)), null);
    assert.notEqual(await take('/ip6/2606:4701::1/tcp/1'), null);
    open[0]?.abort(new Error('it leaves'));
    assert.notEqual(await take(addressOf(0)), null);
  }
});

it('addresses of this machine and of private networks, which may stand for many, have no limit', async () => {
  for (const address of ['/ip4/127.0.0.1/tcp/1', '/ip4/172.17.0.1/tcp/1', '/ip6/::1/tcp/1']) {
    const { take } = guarded('client');
    for (let at = 0; at < 200; at++) assert.notEqual(await take(address), null);
  }
});
