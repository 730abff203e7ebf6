import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetNode } from '../support/net-node.ts';
import { hasNamespaces } from '../support/netns.ts';
import { noInternet, type RouterKind } from './internet.ts';
import { isRelayed, openWorld } from './world.ts';

const kinds = ['port', 'reject', 'eim', 'cone', 'sym'] as const satisfies readonly RouterKind[];
type Kind = (typeof kinds)[number];

test('a client behind any router gets a verified answer from a provider behind any other, who know a relay’s address', async (t) => {
  if (!hasNamespaces(t, noInternet())) return;
  const routers = Object.fromEntries(
    kinds.flatMap((kind) => [
      [`near-${kind}`, { kind, hosts: [`provider-${kind}`] }],
      [`far-${kind}`, { kind, hosts: [`client-${kind}`] }],
    ]),
  );
  const world = await openWorld(t, { routers });
  const startAll = async (role: 'provider' | 'client'): Promise<ReadonlyMap<Kind, NetNode>> =>
    new Map(
      await Promise.all(kinds.map(async (kind) => [kind, await world.start(`${role}-${kind}`, { role })] as const)),
    );
  const providers = await startAll('provider');
  await Promise.all([...providers.values()].map((provider) => isRelayed(provider, 2)));
  const clients = await startAll('client');
  const askAll = async (ofClient: Kind, client: NetNode): Promise<void> => {
    for (const [ofProvider, provider] of providers) {
      const pair = `${ofClient} asks ${ofProvider}`;
      const { result, tier, tokens, provider: by } = await client.ask(provider.id);
      assert.deepEqual([result, tier, tokens, by], ['pass', 'exact', 12, provider.id], pair);
      if (ofClient === 'sym' || ofProvider === 'sym') continue;
      await client.until(({ event, ...more }) => event === 'direct' && 'peer' in more && more.peer === provider.id);
      assert.equal((await client.ask(provider.id)).result, 'pass', `${pair} directly`);
    }
  };
  await Promise.all([...clients].map(([kind, client]) => askAll(kind, client)));
  // Between symmetric routers the relay remains.
  for (const [kind, { events }] of clients) {
    const direct = new Set(events.flatMap((each) => (each.event === 'direct' ? each.peer : [])));
    const expected = kinds.flatMap((other) => ([kind, other].includes('sym') ? [] : (providers.get(other)?.id ?? [])));
    assert.deepEqual([...direct].toSorted(), expected.toSorted(), kind);
  }
});
