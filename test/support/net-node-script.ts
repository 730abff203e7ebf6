// A node on a host of an emulated internet. Its one argument is a `NetNodeInit` in JSON; it prints {id} once it runs, its
// events, and an answer to each `NetNodeCommand` that it reads.
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../../src/errors.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { PeerIdString } from '../../src/lib/types.ts';
import { createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import { fetchCard } from '../../src/node/cards/cards.ts';
import { keysOfCard } from '../../src/node/discovery/query.ts';
import { loadIdentity } from '../../src/node/home/identity.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';
import { relayContent } from '../../src/node/relay/card-content.ts';
import { createRelayServer } from '../../src/node/relay/relay-server.ts';
import { startAsker, type TestAsker } from './asking.ts';
import { startProvider, testSampler } from './market.ts';
import type { NetAnswer, NetNodeCommand, NetNodeEvent, NetNodeInit } from './net-node.ts';
import { startDiscovery } from './offers.ts';
import { startPeer } from './peers.ts';
import { createScriptedEngine } from './scripted-engine.ts';

const init = JSON.parse(process.argv[2] ?? '{}') as NetNodeInit;
const { role, bootstrap, stepMs = 0 } = init;
// Nothing is cleaned up: the process is killed.
const context = { after: () => undefined } as unknown as TestContext;
const peerInit: Partial<PeerInit> = {
  key: await loadIdentity(init.keyPath),
  listen: init.listen ?? (role === 'client' ? [] : ['/ip4/0.0.0.0/tcp/4001']),
  announce: init.announce,
  reach: init.reach,
  relays: init.relays,
  kademlia: true,
};

function say(value: NetNodeEvent | Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function follow(peer: Peer): void {
  const atMs = (): number => Date.now();
  peer.events.on('reach', (reach) => say({ event: 'reach', reach, addrs: peer.addrs(), atMs: atMs() }));
  for (const event of ['connect', 'direct', 'disconnect'] as const)
    peer.events.on(event, (id) => say({ event, peer: id, atMs: atMs() }));
  say({ id: peer.id, address: peer.listening()[0] });
}

async function runProvider(): Promise<Peer> {
  const beforeStep = stepMs === 0 ? undefined : () => setTimeout(stepMs);
  const { peer, card } = await startProvider(context, { peer: peerInit, script: { beforeStep, slots: 4 } });
  follow(peer);
  const discovery = await startDiscovery(context, peer, { bootstrap });
  discovery.announce(keysOfCard(card().card));
  return peer;
}

const server = createRelayServer({ clock: systemClock, logger: silentLogger });

async function runRelay(): Promise<Peer> {
  const peer = await startPeer(context, { ...peerInit, role: 'relay', reach: 'direct', extensions: [server] });
  follow(peer);
  const cards = createCardIssuer(
    { peer, clock: systemClock, logger: silentLogger },
    { path: null, role: 'relay', content: relayContent },
  );
  await cards.start();
  const discovery = await startDiscovery(context, peer, { bootstrap });
  discovery.announce(keysOfCard(cards.current().card));
  return peer;
}

let startedAt = Number.NaN;

async function runClient(): Promise<TestAsker> {
  startedAt = performance.now();
  const asker = await startAsker(context, {
    peer: peerInit,
    discovery: { bootstrap, cachePath: init.cachePath },
    engines: [createScriptedEngine()],
  });
  follow(asker.peer);
  return asker;
}

async function askOnce({ ask }: TestAsker, provider: string | null, maxTokens: number): Promise<NetAnswer> {
  const began = performance.now();
  let firstTextAt = Number.NaN;
  const answer = await ask(
    { provider, model: 'scripted', verify: 'full', sampler: { ...testSampler, maxTokens } },
    {
      onText: () => {
        if (Number.isNaN(firstTextAt)) firstTextAt = performance.now();
      },
    },
  );
  const { result, tier } = answer.verification;
  return {
    provider: answer.provider,
    result,
    tier,
    tokens: answer.tokens,
    firstTextMs: firstTextAt - began,
    firstTextFromStartMs: firstTextAt - startedAt,
    totalMs: performance.now() - began,
  };
}

const asker = role === 'client' ? await runClient() : null;
const peer = asker?.peer ?? (role === 'relay' ? await runRelay() : await runProvider());

async function obey(command: NetNodeCommand): Promise<Record<string, unknown>> {
  switch (command.do) {
    case 'ask': {
      if (asker === null) throw new Error('only a client asks');
      return { ...(await askOnce(asker, command.provider, command.maxTokens)) };
    }
    case 'card': {
      const began = performance.now();
      await fetchCard({ peer, clock: systemClock }, command.peer as PeerIdString);
      return { ms: performance.now() - began };
    }
    case 'look': {
      const { circuits, bytes } = server.stats();
      const { user, system } = process.cpuUsage();
      return { circuits, bytes, cpuUs: user + system, memoryBytes: process.memoryUsage().rss };
    }
    case 'disconnect':
      await peer.disconnect(command.peer as PeerIdString);
      return {};
    case 'leave':
      await asker?.discovery.stop();
      return {};
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  obey(JSON.parse(line) as NetNodeCommand).then(say, (error: unknown) => say({ error: messageOf(error) }));
});
