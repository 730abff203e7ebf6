import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetNode, NetNodeEvent } from '../support/net-node.ts';
import { hasNamespaces } from '../support/netns.ts';
import { noInternet } from './internet.ts';
import { isRelayed, openWorld } from './world.ts';

/** The number of relays through which a node was reached at an event, null if that says nothing about it. */
function relaysAt(event: NetNodeEvent): number | null {
  return event.event === 'reach' ? event.reach.relays.filter(({ addrs }) => addrs.length > 0).length : null;
}

/** Waits for an event of the future after which `node` is reached through `count` relays. */
async function nextRelayed(node: NetNode, from: number, count: number): Promise<void> {
  await node.until((event) => relaysAt(event) === count, from);
}

/** Waits until the connection of `node` to `peer` is lost. @returns the place of that event */
async function isLost(node: NetNode, from: number, peer: string): Promise<number> {
  return node.events.indexOf(await node.until((event) => event.event === 'disconnect' && event.peer === peer, from));
}

test('a provider finds a second relay, and keeps both over a restart, a black hole and a new start of its router', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const world = await openWorld(t, { routers: { home: { kind: 'port', hosts: ['provider'] } }, hosts: ['client'] });
  const { internet, relays, bootstrap } = world;
  const [first] = bootstrap;
  assert.ok(first !== undefined);
  // It learns of the second relay by the hash table of the first.
  const provider = await world.start('provider', { role: 'provider', bootstrap: [first] });
  await isRelayed(provider, 2);
  const client = await world.start('client', { role: 'client' });
  assert.equal((await client.ask(null)).result, 'pass');

  let from = provider.events.length;
  const killed = relays.get('second');
  killed?.child.kill('SIGKILL');
  await nextRelayed(provider, from, 1);
  from = provider.events.length;
  await world.start('second', { role: 'relay', bootstrap: [first] });
  await nextRelayed(provider, from, 2);

  from = provider.events.length;
  await internet.cut('first', true);
  await nextRelayed(provider, from, 1);
  from = provider.events.length;
  await internet.cut('first', false);
  await nextRelayed(provider, from, 2);

  from = provider.events.length;
  await internet.restart('home');
  // Both connections are dead, which only their probes show.
  const lost = await Promise.all([...relays.values()].map(({ id }) => isLost(provider, from, id)));
  await nextRelayed(provider, Math.max(...lost), 2);
  assert.equal((await client.ask(provider.id)).result, 'pass');
});

test('a home router that forwards ports on request makes a provider public, also after a new start', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const world = await openWorld(t, {
    routers: { home: { kind: 'port', hosts: ['provider'] } },
    hosts: ['client', 'late'],
  });
  const { internet } = world;
  await internet.allowPortMapping('home');
  const provider = await world.start('provider', { role: 'provider' });
  const address = `/ip4/${internet.ip('home')}/tcp/4001/p2p/${provider.id}`;
  const isPublic = (event: NetNodeEvent): boolean => event.event === 'reach' && event.addrs.join() === address;
  await provider.until(isPublic);
  const client = await world.start('client', { role: 'client' });
  assert.equal((await client.ask(null)).result, 'pass');
  client.child.kill('SIGKILL');
  await internet.restart('home');
  // The router lets a stranger in again once the provider has noticed, and has asked for the port again.
  const late = await world.start('late', { role: 'client', bootstrap: [] });
  const deadline = performance.now() + 60_000;
  let ms = Number.NaN;
  while (Number.isNaN(ms) && performance.now() < deadline) ms = await late.cardMs(address).catch(() => Number.NaN);
  assert.ok(!Number.isNaN(ms), 'the provider is not reached any more');
});

test('with nothing but ports 80 and 443 open, a client asks through port 443 of a relay', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const routers = {
    home: { kind: 'port', hosts: ['provider'] },
    office: { kind: 'web', hosts: ['client'] },
  } as const;
  const world = await openWorld(t, { relays: ['only'], ports: [4001, 443], hosts: ['helper'], routers });
  await world.start('helper', { role: 'provider', listen: ['/ip4/0.0.0.0/tcp/4001'] });
  const provider = await world.start('provider', { role: 'provider' });
  await isRelayed(provider, 1);
  await provider.until(
    (event) => event.event === 'reach' && event.addrs.some((address) => address.includes('/tcp/443/')),
  );
  const client = await world.start('client', { role: 'client', bootstrap: world.bootstrap.slice(1) });
  assert.equal((await client.ask(provider.id)).result, 'pass');
});

test('a relayed connection with a running job stays open while a direct one comes up beside it', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const routers = { home: { kind: 'port', hosts: ['provider'] }, office: { kind: 'eim', hosts: ['client'] } } as const;
  const world = await openWorld(t, { routers });
  // The answer takes longer than a circuit without a stream is kept beside a direct connection.
  const provider = await world.start('provider', { role: 'provider', stepMs: 250 });
  await isRelayed(provider, 2);
  const client = await world.start('client', { role: 'client' });
  const answering = client.ask(provider.id, 56);
  const isDirect = (event: NetNodeEvent): boolean => event.event === 'direct' && event.peer === provider.id;
  const first = await Promise.race([answering, client.until(isDirect)]);
  assert.ok('event' in first, 'the answer was complete before the direct connection');
  // A named provider's answer is continued by no other.
  const { result, tokens } = await answering;
  assert.deepEqual([result, tokens], ['pass', 56]);
});
