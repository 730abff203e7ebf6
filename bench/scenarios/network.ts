import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Libp2p } from '@libp2p/interface';
import { noInternet } from '../../test/network/internet.ts';
import { isRelayed, openWorld, type World } from '../../test/network/world.ts';
import { acceptCircuits, connectTo, requestHop } from '../../test/support/circuits.ts';
import { temporaryHome } from '../../test/support/home.ts';
import { startStranger } from '../../test/support/hostile.ts';
import type { NetNode, NetNodeEvent, NetRelay } from '../../test/support/net-node.ts';
import { startRelayProcess } from '../../test/support/relay-process.ts';
import { type Figure, median, rounded, type Scenario } from '../report.ts';
import { measured } from '../support/measured.ts';

/**
 * How nodes behind routers reach each other over an emulated internet, in processes of their own: scripted inference, so
 * that the times are those of the network. Needs network namespaces and a C compiler; records nothing without them.
 */
export const scenario: Scenario = async () => {
  const missing = noInternet();
  if (missing !== null) {
    process.stderr.write(`bench: network is skipped: ${missing}\n`);
    return [];
  }
  const figures: Figure[] = [];
  // Without a delay only the computing of both ends remains, which is no round trip.
  const [direct, relayed] = await measured((context) => firstTokens(context, 0));
  for (const roundTripMs of [20, 80, 150]) {
    const [delayedDirect, delayedRelayed] = await measured((context) => firstTokens(context, roundTripMs));
    figures.push(
      tripsFigure('first token, direct', roundTripMs, delayedDirect, direct, 4),
      tripsFigure('first token, relayed', roundTripMs, delayedRelayed, relayed, 8),
      ...(await measured((context) => forwarding(context, roundTripMs))),
    );
  }
  figures.push(...(await measured(circuits)), ...(await measured(recovery)));
  return figures;
};

const tokens = 1_000;
/** Cold clients that ask each provider. */
const runs = 3;
/** Of each of ten pairs of nodes. */
const circuitsPerPair = 50;
const routers = {
  near: { kind: 'sym', hosts: ['provider', 'paced'] },
  far: { kind: 'port', hosts: ['client'] },
} as const;

/** Times to the first token, in ms. */
interface FirstToken {
  /** From the start of a client that knows the provider from an earlier run. */
  readonly coldMs: number;
  /** From a further question of that client. */
  readonly warmMs: number;
}

async function firstTokens(context: TestContext, roundTripMs: number): Promise<readonly [FirstToken, FirstToken]> {
  const world = await openWorld(context, { roundTripMs, hosts: ['public'], routers });
  const hidden = await world.start('provider', { role: 'provider' });
  await isRelayed(hidden, 2);
  const open = await world.start('public', { role: 'provider' });
  await open.until((event) => event.event === 'reach' && event.reach.way === 'direct');
  return [await firstTokenOf(world, open), await firstTokenOf(world, hidden)];
}

async function firstTokenOf(world: World, provider: NetNode): Promise<FirstToken> {
  const cachePath = join(world.home, `peers-of-${provider.id}.json`);
  const start = (): Promise<NetNode> => world.start('client', { role: 'client', cachePath });
  const end = async ({ child }: NetNode): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const earlier = await start();
  await earlier.ask(announced(provider));
  await earlier.leave();
  await end(earlier);
  const [coldMs, warmMs]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const client = await start();
    coldMs.push((await client.ask(provider.id)).firstTextFromStartMs);
    warmMs.push((await client.ask(provider.id)).firstTextMs);
    await end(client);
  }
  return { coldMs: median(coldMs), warmMs: median(warmMs) };
}

function tripsFigure(name: string, roundTripMs: number, one: FirstToken, local: FirstToken, atMost: number): Figure {
  const trips = (of: keyof FirstToken): number => (one[of] - local[of]) / roundTripMs;
  return figure(`${name}, ${roundTripMs} ms`, trips('coldMs'), 'round trips', atMost, {
    roundTripMs,
    coldMs: rounded(one.coldMs),
    coldWithoutDelayMs: rounded(local.coldMs),
    warmMs: rounded(one.warmMs),
    warmTrips: rounded(trips('warmMs')),
  });
}

/** What an answer costs the relays, token by token. */
async function forwarding(context: TestContext, roundTripMs: number): Promise<readonly Figure[]> {
  const world = await openWorld(context, { roundTripMs, routers });
  // So that no two tokens share a packet.
  const paced = await world.start('paced', { role: 'provider', stepMs: 5 });
  await isRelayed(paced, 2);
  const client = await world.start('client', { role: 'client' });
  // The relays' code is compiled by then.
  await client.ask(announced(paced), tokens);
  const look = async (): Promise<{ readonly bytes: number; readonly cpuUs: number; readonly atMs: number }> => {
    const looks = await Promise.all([...world.relays.values()].map((relay) => relay.look()));
    const sum = (pick: (each: NetRelay) => number): number => looks.reduce((total, each) => total + pick(each), 0);
    return { bytes: sum(({ bytes }) => bytes), cpuUs: sum(({ cpuUs }) => cpuUs), atMs: performance.now() };
  };
  const before = await look();
  await client.ask(announced(paced), tokens);
  const after = await look();
  await setTimeout(2_000);
  const idle = await look();
  const idleUsPerMs = (idle.cpuUs - after.cpuUs) / (idle.atMs - after.atMs);
  const cpuUs = after.cpuUs - before.cpuUs - idleUsPerMs * (after.atMs - before.atMs);
  const details = { roundTripMs };
  return [
    figure(`relay, bytes per token, ${roundTripMs} ms`, (after.bytes - before.bytes) / tokens, 'bytes', 1_024, details),
    figure(`relay, CPU per token, ${roundTripMs} ms`, cpuUs / tokens, 'µs', 200, {
      ...details,
      withoutIdleUsPerS: rounded(idleUsPerMs * 1_000),
    }),
  ];
}

/** What an open circuit takes of a relay's memory, once bytes have passed both ways. */
async function circuits(context: TestContext): Promise<readonly Figure[]> {
  const most = 10_000;
  const limits = { maxReservationsPerIp: most, maxCircuitsPerSource: most, maxCircuitsPerIp: most };
  const keyPath = join(await temporaryHome(context), 'relay');
  const relay = await startRelayProcess(context, { keyPath, limits });
  const targets: string[] = [];
  const sources: Libp2p[] = [];
  for (let pair = 0; pair < 10; pair++) {
    targets.push(await startEcho(context, relay.address));
    sources.push(await startStranger(context));
  }
  const openEach = async (): Promise<void> => {
    for (const [at, source] of sources.entries()) await openCircuit(source, relay.address, targets[at] ?? '');
  };
  // The first circuits load code and warm caches.
  await openEach();
  const before = await relay.look();
  for (let each = 0; each < circuitsPerPair; each++) await openEach();
  const after = await relay.look();
  const opened = after.stats.circuits - before.stats.circuits;
  const kibPerCircuit = (bytes: 'memoryBytes' | 'residentBytes'): number =>
    (after[bytes] - before[bytes]) / opened / 1_024;
  const details = { circuits: opened, residentKiB: rounded(kibPerCircuit('residentBytes')) };
  return [figure('relay, memory per circuit', kibPerCircuit('memoryBytes'), 'KiB', 64, details)];
}

/** A node that takes circuits and returns every byte. @returns its peer id */
async function startEcho(context: TestContext, relay: string): Promise<string> {
  const node = await startStranger(context);
  await acceptCircuits(node, (stream) => {
    stream.addEventListener('message', ({ data }) => void stream.send(data));
    stream.resume();
  });
  await requestHop(node, relay, { type: 'reserve' });
  return node.peerId.toString();
}

/** Opens a circuit and waits until something has passed both ways. */
async function openCircuit(source: Libp2p, relay: string, target: string): Promise<void> {
  const { answer, stream } = await requestHop(source, relay, connectTo(target));
  if (answer.type !== 'status' || answer.status !== 100) throw new Error('the relay refuses');
  const echoed = once(stream as unknown as EventTarget, 'message', { signal: AbortSignal.timeout(30_000) });
  stream.send(new Uint8Array(1_024));
  stream.resume();
  await echoed;
}

async function recovery(context: TestContext): Promise<readonly Figure[]> {
  const homes = { near: { kind: 'port', hosts: ['provider'] }, far: { kind: 'eim', hosts: ['client'] } } as const;
  const internet = { roundTripMs: 80, hosts: ['helper'], routers: homes };
  const world = await openWorld(context, { ...internet, relays: ['only'] });
  await world.start('helper', { role: 'provider' });
  const provider = await world.start('provider', { role: 'provider' });
  await isRelayed(provider, 1);
  const client = await world.start('client', { role: 'client' });
  await client.ask(announced(provider));
  const connected = atMs(await client.until(({ event, ...more }) => event === 'connect' && isOf(more, provider)));
  const punched = atMs(await client.until(({ event, ...more }) => event === 'direct' && isOf(more, provider)));

  let from = provider.events.length;
  world.relays.get('only')?.child.kill('SIGKILL');
  await provider.until(({ event, ...more }) => event === 'disconnect' && isOf(more, world.relays.get('only')), from);
  from = provider.events.length;
  await world.start('only', { role: 'relay', bootstrap: [] });
  const restartedAtMs = Date.now();
  const backAtMs = atMs(await provider.until(hasRelay, from));

  from = provider.events.length;
  const forgottenAtMs = Date.now();
  await world.internet.restart('near');
  const lost = await provider.until(
    ({ event, ...more }) => event === 'disconnect' && isOf(more, world.relays.get('only')),
    from,
  );
  const foundAtMs = atMs(await provider.until(hasRelay, provider.events.indexOf(lost)));
  const details = { roundTripMs: 80 };
  return [
    figure('direct after the relayed connection', (punched - connected) / 1_000, 's', 3, details),
    figure(
      'reachable again after a restart of the relay',
      Math.max(0, backAtMs - restartedAtMs) / 1_000,
      's',
      5,
      details,
    ),
    figure('reachable again after a restart of the router', (foundAtMs - forgottenAtMs) / 1_000, 's', 10, details),
  ];
}

function figure(name: string, value: number, unit: string, atMost: number, details: Figure['details']): Figure {
  return { name, value, unit, goal: { atMost }, details };
}

/** The first address that a node announces. */
function announced({ events }: NetNode): string {
  return events.flatMap((event) => (event.event === 'reach' ? [event.addrs[0] ?? ''] : [])).at(-1) ?? '';
}

function atMs(event: NetNodeEvent): number {
  return event.atMs;
}

function isOf(event: object, node: NetNode | undefined): boolean {
  return 'peer' in event && event.peer === node?.id;
}

function hasRelay(event: NetNodeEvent): boolean {
  return event.event === 'reach' && event.reach.relays.some(({ addrs }) => addrs.length > 0);
}
