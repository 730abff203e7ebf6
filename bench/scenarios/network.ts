import type { TestContext } from 'node:test';
import { noInternet } from '../../test/network/internet.ts';
import { isRelayed, openWorld } from '../../test/network/world.ts';
import type { NetNode, NetNodeEvent } from '../../test/support/net-node.ts';
import { type Figure, rounded, type Scenario } from '../report.ts';

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
  for (const roundTripMs of [20, 80, 150])
    figures.push(...(await measured((context) => answers(context, roundTripMs))));
  figures.push(...(await measured(recovery)));
  return figures;
};

/** Runs one measurement, and then what it has to clean up. */
async function measured(run: (context: TestContext) => Promise<readonly Figure[]>): Promise<readonly Figure[]> {
  const cleanUp: (() => unknown)[] = [];
  try {
    return await run({ after: (each: () => unknown) => void cleanUp.push(each) } as unknown as TestContext);
  } finally {
    for (const each of cleanUp.reverse()) await each();
  }
}

const tokens = 500;

async function answers(context: TestContext, roundTripMs: number): Promise<readonly Figure[]> {
  const world = await openWorld(context, {
    roundTripMs,
    hosts: ['public'],
    routers: { near: { kind: 'sym', hosts: ['provider'] }, far: { kind: 'port', hosts: ['client', 'punching'] } },
  });
  const hidden = await world.start('provider', { role: 'provider' });
  await isRelayed(hidden, 2);
  const open = await world.start('public', { role: 'provider' });
  await open.until((event) => event.event === 'reach' && event.reach.way === 'direct');
  const client = await world.start('client', { role: 'client' });
  const direct = await client.ask(announced(open));
  const relayed = await client.ask(announced(hidden));
  const again = await client.ask(announced(hidden));
  const relays = [...world.relays.values()];
  const before = await Promise.all(relays.map((relay) => relay.look()));
  await client.ask(announced(hidden), tokens);
  const after = await Promise.all(relays.map((relay) => relay.look()));
  const sum = (pick: (look: (typeof before)[number]) => number): number =>
    after.reduce((total, look, at) => total + pick(look) - pick(before[at] ?? look), 0);
  const details = { roundTripMs };
  return [
    figure(`first token, direct, ${roundTripMs} ms`, direct.firstTextMs / roundTripMs, 'round trips', 4, details),
    figure(`first token, relayed, ${roundTripMs} ms`, relayed.firstTextMs / roundTripMs, 'round trips', 8, {
      ...details,
      warmMs: rounded(again.firstTextMs),
    }),
    figure(`relay, bytes per token, ${roundTripMs} ms`, sum(({ bytes }) => bytes) / tokens, 'bytes', 1_024, details),
    figure(`relay, CPU per token, ${roundTripMs} ms`, sum(({ cpuUs }) => cpuUs) / tokens, 'µs', 200, details),
  ];
}

async function recovery(context: TestContext): Promise<readonly Figure[]> {
  const routers = { near: { kind: 'port', hosts: ['provider'] }, far: { kind: 'eim', hosts: ['client'] } } as const;
  const world = await openWorld(context, { roundTripMs: 80, relays: ['only'], hosts: ['helper'], routers });
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
