import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { NetNode } from '../../../test/support/net-node.ts';
import { type Figure, median, rounded, spread } from '../../report.ts';
import { measured } from '../measured.ts';
import { type Fleet, type Look, lookAt, startFleet } from './fleet.ts';
import { ask, startVisitor, type Visit, visit } from './visitor.ts';

/** Providers, and how long clients come and go; `QVAC_BENCH_NODES` and `QVAC_BENCH_MINUTES` ask for others. */
const nodes = Number(process.env.QVAC_BENCH_NODES ?? 100);
const minutes = Number(process.env.QVAC_BENCH_MINUTES ?? 30);
/** Clients at a time. Every second one knows peers from before the kill. */
const lanes = 2;
/** Time between two clients of a lane, in ms. */
const pauseMs = 3_000;
/** Time after the kill from which on memory and sockets must not grow, in ms: connections to the dead are closed by then. */
const settleMs = 60_000;

/** What clients and survivors met. */
interface Outcome {
  /** First questions of new clients, their later ones, and those of a client that runs since before the kill. */
  readonly first: readonly Visit[];
  readonly later: readonly Visit[];
  readonly lasting: readonly Visit[];
  readonly before: readonly Look[];
  readonly after: readonly Look[];
  readonly measuredMinutes: number;
}

/**
 * Real processes: providers with scripted inference on loopback, half of which are killed at once, then clients that come
 * and go.
 */
export async function fleetFigures(): Promise<readonly Figure[]> {
  if (minutes === 0) return [];
  return figuresOf(await measured(run));
}

async function run(context: TestContext): Promise<Outcome> {
  const fleet = await startFleet(context, nodes);
  process.stderr.write(`bench: ${nodes} providers run\n`);
  const cache = join(fleet.home, 'peers.json');
  await measured(async (inner) => {
    const earlier = await startVisitor(inner, fleet, cache);
    await ask(earlier, new Set(), performance.now());
    // A list of the network, so that the cache has dead ones, too.
    await earlier.discovery.find({}, { enough: () => false });
  });
  const lasting = await startVisitor(context, fleet);
  await ask(lasting, new Set(), performance.now());
  await lasting.discovery.find({ model: 'scripted' }, { enough: () => false });
  const { killed, left } = await fleet.killHalf();
  process.stderr.write(`bench: ${killed.size} of them are killed\n`);
  const visits = { first: [] as Visit[], later: [] as Visit[], lasting: [] as Visit[] };
  visits.lasting.push(await ask(lasting, killed, performance.now()));
  const ended = AbortSignal.timeout(settleMs + minutes * 60_000);
  const looks = lookTwice(fleet, left, ended);
  await Promise.all([
    ...Array.from({ length: lanes }, (_, lane) =>
      comeAndGo(fleet, killed, lane % 2 === 0 ? null : cache, visits, ended),
    ),
    askNowAndThen(async () => void visits.lasting.push(await ask(lasting, killed, performance.now())), ended),
  ]);
  return { ...visits, ...(await looks), measuredMinutes: minutes };
}

async function comeAndGo(
  fleet: Fleet,
  killed: ReadonlySet<string>,
  cache: string | null,
  visits: { readonly first: Visit[]; readonly later: Visit[] },
  ended: AbortSignal,
): Promise<void> {
  while (!ended.aborted) {
    const [first, ...later] = await visit(fleet, killed, cache);
    if (first !== undefined) visits.first.push(first);
    visits.later.push(...later);
    await setTimeout(pauseMs, undefined, { signal: ended }).catch(() => undefined);
  }
}

async function askNowAndThen(question: () => Promise<void>, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await setTimeout(pauseMs, undefined, { signal: ended }).catch(() => undefined);
    await question();
  }
}

async function lookTwice(
  fleet: Fleet,
  left: readonly NetNode[],
  ended: AbortSignal,
): Promise<Pick<Outcome, 'before' | 'after'>> {
  const all = [...fleet.seeds, ...left];
  await setTimeout(settleMs);
  const before = await Promise.all(all.map(lookAt));
  if (!ended.aborted) await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }));
  return { before, after: await Promise.all(all.map(lookAt)) };
}

function figuresOf({ first, later, lasting, before, after, measuredMinutes }: Outcome): readonly Figure[] {
  const all = [...first, ...later, ...lasting];
  const details = { nodes, killed: Math.floor(nodes / 2), minutes: measuredMinutes };
  const times = (visits: readonly Visit[]): readonly number[] => visits.flatMap(({ answeredMs }) => answeredMs ?? []);
  const errors = all.flatMap(({ error }) => error ?? []);
  const sum = (pick: (each: Visit) => number): number => all.reduce((total, each) => total + pick(each), 0);
  const growth = (pick: (look: Look) => number): number =>
    median(after.map((look, at) => pick(look) / pick(before[at] ?? look)));
  const looks = (name: string, pick: (look: Look) => number): Figure['details'] => ({
    ...details,
    ...spread(`${name}Before`, before.map(pick)),
    ...spread(`${name}After`, after.map(pick)),
  });
  return [
    figure('processes: questions without an answer', errors.length, '', 0, {
      ...details,
      questions: all.length,
      firstError: errors[0] ?? null,
    }),
    figure('processes: slowest first answer of a client', Math.max(...times(first)) / 1_000, 's', 10, {
      ...details,
      clients: first.length,
      ...spread('answeredMs', times(first)),
      ...spread('laterMs', times(later)),
      ...spread('lastingMs', times(lasting)),
    }),
    figure(
      'processes: offers to a dead provider that had failed the client',
      sum((each) => each.repeatedOffers),
      '',
      0,
      {
        ...details,
        offersToDead: sum((each) => each.deadOffers),
      },
    ),
    figure(
      'processes: memory of the survivors, end ÷ start',
      growth((look) => look.residentMiB),
      '×',
      1.15,
      looks('residentMiB', (look) => look.residentMiB),
    ),
    figure(
      'processes: sockets of the survivors, end ÷ start',
      growth((look) => look.sockets),
      '×',
      1.15,
      looks('sockets', (look) => look.sockets),
    ),
  ];
}

function figure(name: string, value: number, unit: string, atMost: number, details: Figure['details']): Figure {
  return { name, value: rounded(value), unit, goal: { atMost }, details };
}
