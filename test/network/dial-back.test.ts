import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryHome } from '../support/home.ts';
import { hasNamespaces } from '../support/netns.ts';
import { type PeerProcess, type PeerScript, startPeerProcess } from '../support/peer-process.ts';
import { type Internet, noInternet, startInternet } from './internet.ts';

const listen = '/ip4/0.0.0.0/tcp/4001';

/** Starts nodes with a hash table on an internet whose `seed` others start from. */
async function openWorld(t: TestContext, internet: Internet) {
  const home = await temporaryHome(t);
  const start = (host: string, options: Partial<PeerScript> = {}): Promise<PeerProcess> =>
    startPeerProcess(
      t,
      { keyPath: join(home, host), listen, kademlia: true, tellsAddresses: true, ...options },
      { lan: internet, host },
    );
  const seed = await start('seed', { role: 'router' });
  const bootstrap = [`/ip4/${internet.ip('seed')}/tcp/4001/p2p/${seed.id}`];
  return { start: (host: string, options: Partial<PeerScript> = {}) => start(host, { bootstrap, ...options }), seed };
}

test('a provider with a public address announces it, and a client finds it through the hash table', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const internet = await startInternet(t, { hosts: ['seed', 'provider', 'client'], roundTripMs: 10 });
  const { start, seed } = await openWorld(t, internet);
  const provider = await start('provider', { models: ['alpha'] });
  const address = `/ip4/${internet.ip('provider')}/tcp/4001/p2p/${provider.id}`;
  assert.equal(await provider.eventLike(/^addrs .*11\.77/), `addrs ${address}`);
  // The seed has nobody to ask but its own peers.
  assert.equal(await seed.eventLike(/^addrs .*11\.77/), `addrs /ip4/${internet.ip('seed')}/tcp/4001/p2p/${seed.id}`);
  const client = await start('client', { role: 'client' });
  assert.equal(await client.eventLike(/^up/), `up ${provider.id}`);
});

test('a provider behind a router announces nothing, and its outside address once the port is forwarded', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const internet = await startInternet(t, {
    hosts: ['seed', 'helper', 'client'],
    routers: { closed: { kind: 'port', hosts: ['hidden'] }, open: { kind: 'port', hosts: ['reached'] } },
    roundTripMs: 10,
  });
  await internet.forward('open', 4001, 'reached');
  const { start } = await openWorld(t, internet);
  await start('helper', { models: ['alpha'] });
  const hidden = await start('hidden', { models: ['beta'] });
  // It sees the seed, and has no address that works from there.
  assert.equal(await hidden.eventLike(/^addrs/), 'addrs');
  const reached = await start('reached', { models: ['gamma'] });
  assert.equal(
    await reached.eventLike(/^addrs .*11\.77/),
    `addrs /ip4/${internet.ip('open')}/tcp/4001/p2p/${reached.id}`,
  );
  const client = await start('client', { role: 'client' });
  const found = [await client.eventLike(/^up/), await client.eventLike(/^up/)];
  assert.ok(found.includes(`up ${reached.id}`), found.join());
  assert.ok(!found.includes(`up ${hidden.id}`), found.join());
});
