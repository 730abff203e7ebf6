import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type CardContent, type CardIssuer, createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import { createDiscovery, type Discovery, type DiscoveryInit } from '../../src/node/discovery/discovery.ts';
import { keysOfCard } from '../../src/node/discovery/query.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';
import type { CardModel } from '../../src/protocol/messages.ts';
import { startPeer } from './peers.ts';

export const testExec = {
  engine: 'test 1',
  backend: 'cpu',
  kernels: 'none',
  threads: 1,
  batch: 63,
  flash: false,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
} as const;

/** A model with this name, whose id is the digest of `name/quant`. */
export function testModel(name: string, quant = 'q8_0', over: Partial<CardModel> = {}): CardModel {
  return {
    id: Uint8Array.from(createHash('sha256').update(`${name}/${quant}`).digest()),
    name,
    arch: 'llama',
    quant,
    context: 2048,
    vocab: 1000,
    stops: [2],
    modes: ['merkle', 'none'],
    priceIn: 0,
    priceOut: 0,
    slots: 1,
    ...over,
  };
}

export function testContent(models: readonly CardModel[]): CardContent {
  return {
    models,
    compute: { backend: 'cpu', device: 'test', memory: 1 << 30, tokensPerSecond: 10 },
    exec: models.length === 0 ? null : testExec,
    pay: null,
  };
}

export interface Offerer {
  readonly peer: Peer;
  readonly issuer: CardIssuer;
  readonly discovery: Discovery;
}

/** A node that can be found by its card, without the rest of a provider. */
export async function startOfferer(
  context: TestContext,
  models: readonly CardModel[],
  init: Partial<PeerInit> & DiscoveryInit = {},
): Promise<Offerer> {
  const peer = await startPeer(context, { kademlia: true, ...init, role: init.role ?? 'provider' });
  const components = { peer, clock: systemClock, logger: silentLogger };
  const issuer = createCardIssuer(components, {
    path: null,
    role: peer.role === 'router' ? 'router' : 'provider',
    content: () => testContent(models),
  });
  await issuer.start();
  context.after(() => issuer.stop());
  const discovery = await startDiscovery(context, peer, init);
  discovery.announce(keysOfCard(issuer.current().card));
  return { peer, issuer, discovery };
}

export async function startDiscovery(context: TestContext, peer: Peer, init: DiscoveryInit = {}): Promise<Discovery> {
  const discovery = createDiscovery({ peer, clock: systemClock, logger: silentLogger }, init);
  await discovery.start();
  context.after(() => discovery.stop());
  return discovery;
}
