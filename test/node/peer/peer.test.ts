import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadIdentity } from '../../../src/node/home/identity.ts';
import { createPeer } from '../../../src/node/peer/libp2p-peer.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { temporaryHome } from '../../support/home.ts';
import { framed, openRaw, startStranger } from '../../support/hostile.ts';
import { startPeerProcess } from '../../support/peer-process.ts';
import { addressOf, startPeer, testIdentity } from '../../support/peers.ts';

const beats = '/test/beats/1.0.0';

async function listenSilently(t: TestContext): Promise<number> {
  const server: Server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('a stream carries frames both ways and ends cleanly', async (t) => {
  const provider = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  await provider.handle(jobProtocol, async (stream) => {
    assert.equal(stream.remote.peer, client.id);
    assert.deepEqual(stream.remote.publicKey, client.key.publicKey);
    for (;;) {
      const frame = await stream.read(['tokens']);
      if (frame === null) return;
      await stream.write(frame);
    }
  });
  const stream = await client.open(addressOf(provider), jobProtocol);
  const frame = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;
  for (let round = 0; round < 3; round++) {
    await stream.write(frame);
    assert.deepEqual(await stream.read(['tokens']), frame);
  }
  await stream.close();
  assert.equal(await stream.read(['tokens']), null);
});

test('streams share one connection, whose opening and closing both sides see', async (t) => {
  const provider = await startPeer(t);
  await provider.handle(jobProtocol, async () => {});
  const client = await startPeer(t, { role: 'client' });
  const came = once(provider.events, 'connect');
  await client.open(addressOf(provider), jobProtocol);
  await client.open(provider.id, jobProtocol);
  assert.deepEqual(await came, [client.id]);
  assert.deepEqual(provider.connected(), [client.id]);
  assert.deepEqual(client.connected(), [provider.id]);
  const went = once(provider.events, 'disconnect');
  await client.disconnect(provider.id);
  assert.deepEqual(await went, [client.id]);
  assert.deepEqual(client.connected(), []);
});

test('a stream that cannot be opened gives the reason in one line', async (t) => {
  const client = await startPeer(t, { role: 'client' });
  const provider = await startPeer(t);
  const port = /tcp\/(\d+)/.exec(addressOf(provider))?.[1];
  const stranger = (await testIdentity()).peer;
  const closed = await startPeer(t);
  const closedAddress = addressOf(closed);
  await closed.stop();
  const cases: readonly (readonly [string, RegExp])[] = [
    [closedAddress, /connection refused/],
    [`/ip4/127.0.0.1/tcp/${port}/p2p/${stranger}`, /another peer answers/],
    [addressOf(provider), /does not speak this protocol/],
    [stranger, /its addresses are not known/],
    [client.id, /this node itself/],
    ['12D3KooWnonsense', /not a peer id/],
    ['/ip4/127.0.0.1/tcp/1', /does not name a peer/],
    ['/ip4/127.0.0.1.5/tcp/1', /not a multiaddr/],
  ];
  for (const [target, why] of cases) {
    await assert.rejects(client.open(target, jobProtocol), (error: Error & { code: string }) => {
      assert.equal(error.code, 'E_NETWORK');
      assert.match(error.message, why);
      assert.ok(!error.message.includes('\n'));
      return true;
    });
  }
});

test('a dial ends when its signal aborts, with the signal’s reason', async (t) => {
  const client = await startPeer(t, { role: 'client' });
  const silent = `/ip4/127.0.0.1/tcp/${await listenSilently(t)}/p2p/${(await testIdentity()).peer}`;
  const reason = new Error('enough');
  await assert.rejects(client.open(silent, jobProtocol, { signal: AbortSignal.abort(reason) }), reason);
  const giveUp = new AbortController();
  setImmediate(() => giveUp.abort(reason));
  await assert.rejects(client.open(silent, jobProtocol, { signal: giveUp.signal }), reason);
});

test('a taken port is E_PORT_IN_USE, a foreign address and nonsense are E_CONFIG', async (t) => {
  const port = await listenSilently(t);
  const start = async (listen: string): Promise<void> => {
    const peer = createPeer(
      {},
      { role: 'provider', key: await testIdentity(), network: 'test', listen: [listen], kademlia: false },
    );
    await peer.start();
  };
  await assert.rejects(start(`/ip4/127.0.0.1/tcp/${port}`), { code: 'E_PORT_IN_USE' });
  await assert.rejects(start('/ip4/192.0.2.1/tcp/0'), { code: 'E_CONFIG' });
  await assert.rejects(start('port 4001'), { code: 'E_CONFIG' });
});

test('start and stop are idempotent, and a stopped node is silent and can start again', async (t) => {
  const provider = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  await provider.handle(jobProtocol, async (stream) => void (await stream.write({ t: 'beat' })));
  await Promise.all([provider.start(), provider.start()]);
  await Promise.all([provider.stop(), provider.stop()]);
  assert.deepEqual(provider.addrs(), []);
  await provider.start();
  const stream = await client.open(addressOf(provider), jobProtocol);
  assert.deepEqual(await stream.read(['beat']), { t: 'beat' });
});

test('the same key file is the same peer id in every run', async (t) => {
  const keyPath = join(await temporaryHome(t), 'keys', 'provider.key');
  const first = await startPeerProcess(t, { keyPath });
  const exited = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await exited;
  const second = await startPeerProcess(t, { keyPath });
  assert.equal(second.id, first.id);
  assert.equal((await loadIdentity(keyPath)).peer, first.id);
});

for (const [signal, what] of [
  ['SIGKILL', 'killed'],
  ['SIGSTOP', 'frozen'],
] as const) {
  test(`a peer that is ${what} in the middle of a stream is detected, and its stream is truncated`, async (t) => {
    const other = await startPeerProcess(t, { keyPath: join(await temporaryHome(t), 'key') });
    const client = await startPeer(t, { role: 'client' });
    const stream = await client.open(other.address, beats);
    assert.deepEqual(await stream.read(['beat']), { t: 'beat' });
    const gone = once(client.events, 'disconnect');
    other.child.kill(signal);
    await assert.rejects(
      async () => {
        while ((await stream.read(['beat'])) !== null);
      },
      { code: 'E_TRUNCATED' },
    );
    assert.deepEqual(await gone, [other.id]);
    assert.deepEqual(client.connected(), []);
  });
}

test('a connection that was closed is opened again', async (t) => {
  const provider = await startPeer(t);
  await provider.handle(jobProtocol, async (stream) => void (await stream.write({ t: 'beat' })));
  const client = await startPeer(t, { role: 'client' });
  await client.open(addressOf(provider), jobProtocol);
  await provider.disconnect(client.id);
  const stream = await client.open(provider.id, jobProtocol);
  assert.deepEqual(await stream.read(['beat']), { t: 'beat' });
});

test('a peer that breaks the protocol repeatedly is banned, and may return after the ban', async (t) => {
  let now = 0;
  const provider = createPeer(
    { monotonic: () => now },
    {
      role: 'provider',
      key: await testIdentity(),
      network: 'test',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      kademlia: false,
      limits: { badFrames: 3, banMs: 1000 },
    },
  );
  await provider.start();
  t.after(() => provider.stop());
  await provider.handle(jobProtocol, async (stream) => void (await stream.read(['beat'])));
  const stranger = await startStranger(t);
  const address = addressOf(provider);
  const gone = once(provider.events, 'disconnect');
  for (let bad = 0; bad < 3; bad++) (await openRaw(stranger, address, jobProtocol)).send(framed(new Uint8Array(3)));
  await gone;
  await assert.rejects(openRaw(stranger, address, jobProtocol));
  now = 1001;
  await openRaw(stranger, address, jobProtocol);
});

test('of a peer’s addresses only those that can be dialled are kept', async (t) => {
  const client = await startPeer(t, { role: 'client' });
  const { peer } = await testIdentity();
  const relay = (await testIdentity()).peer;
  const useful = [
    '/ip4/10.1.2.3/tcp/4001',
    '/ip6/::1/tcp/4001',
    '/dns4/node.example/tcp/4001',
    `/ip4/8.8.8.8/tcp/443/p2p/${relay}/p2p-circuit`,
  ];
  const useless = [
    '/ip4/10.1.2.3/udp/4001/quic-v1',
    '/ip4/10.1.2.3/tcp/0',
    '/dnsaddr/node.example',
    '/p2p-circuit',
    `/p2p/${relay}/p2p-circuit`,
    `/ip4/8.8.8.8/tcp/443/p2p-circuit`,
    `/ip4/8.8.8.8/tcp/443/p2p/${relay}/p2p-circuit/p2p/${relay}/p2p-circuit`,
    '/ip4/10.1.2.300/tcp/1',
    'nonsense',
    `/dns4/${'a'.repeat(300)}/tcp/1`,
  ];
  await client.learn(peer, [...useless, ...useful.map((address) => `${address}/p2p/${peer}`)]);
  assert.deepEqual([...(await client.addrsOf(peer))].sort(), [...useful].sort());
  await client.learn(
    peer,
    Array.from({ length: 100 }, (_, port) => `/ip4/10.0.0.1/tcp/${port + 1}`),
  );
  assert.ok((await client.addrsOf(peer)).length <= 16);
});
