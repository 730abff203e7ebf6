import type { Config } from '../config.ts';
import type { Logger } from '../lib/log.ts';
import type { Activity } from '../node/home/activity.ts';
import type { RunEntry } from '../node/home/run-files.ts';
import { plural, rate, shortPeer, sol, timeSpan } from '../terminal/format.ts';
import { defineCommand } from './parts/definition.ts';

/** What came of the answers that were given today (UTC). */
interface Today {
  readonly answers: number;
  readonly tokens: number;
  /** Lamports. */
  readonly earned: bigint;
}

interface NodeStatus extends Omit<RunEntry, 'network'> {
  readonly network: string;
  readonly activity: Activity | null;
  readonly today: Today | null;
  /** Why nothing is being done, if nothing is; the likeliest first. */
  readonly idle: readonly string[];
}

const dayMs = 86_400_000;

/** The receipts of what was served for others since midnight. */
async function todayOf(config: Config, now: number): Promise<Today> {
  const [{ createReceiptStore }, { MalformedError }, { QvacError }] = await Promise.all([import('../node/home/receipt-store.ts'), import('../protocol/codec.ts'), import('../errors.ts')]);
  const store = createReceiptStore(config.home.receiptsOf.provider);
  const midnight = now - (now % dayMs);
  let today: Today = { answers: 0, tokens: 0, earned: 0n };
  for (const { id, savedAt } of await store.list()) {
    if (savedAt < midnight) break;
    try {
      const { tokens, settlement } = (await store.get(id)).receipt;
      const paid = settlement?.['paid'];
      today = { answers: today.answers + 1, tokens: today.tokens + tokens.length, earned: today.earned + (typeof paid === 'string' && /^\d{1,20}$/.test(paid) ? BigInt(paid) : 0n) };
    } catch (error) {
      if (!(error instanceof QvacError) && !(error instanceof MalformedError)) throw error;
    }
  }
  return today;
}

/** The prices at which others offered the same models when they were last seen, lowest first. */
async function otherPrices(config: Config, own: RunEntry, logger: Logger, now: number): Promise<readonly number[]> {
  const [{ PeerCache }, { modelIdHex }] = await Promise.all([import('../node/discovery/peer-cache.ts'), import('../protocol/digests.ts')]);
  const seen = await new PeerCache(config.home.peers, config.networkName, logger).load();
  return seen
    .filter(({ peer, seenAt }) => peer !== own.peer && seenAt > now - dayMs)
    .flatMap(({ card: { card } }) => card.models.filter(({ id }) => own.models.includes(modelIdHex(id))).map(({ priceOut }) => priceOut))
    .toSorted((a, b) => a - b);
}

function isOwnNetworkOnly(addrs: readonly string[]): boolean {
  return addrs.every((addr) => /\/ip4\/(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)|\/ip6\/(::1|f[cd]|fe80)/.test(addr));
}

async function whyIdle(config: Config, entry: RunEntry, activity: Activity, logger: Logger, now: number): Promise<readonly string[]> {
  const { peers, slots, price, lastAskedAt, refused } = activity;
  if (slots !== null && slots.used > 0) return [];
  const reasons: string[] = [];
  if (peers === 0) reasons.push('it has met no other node: nobody can find it (--bootstrap names one)');
  if (isOwnNetworkOnly(entry.addrs)) reasons.push('it can be reached from this machine and its local network only');
  const others = price === null ? [] : await otherPrices(config, entry, logger, now);
  const cheaper = others.filter((other) => price !== null && other < price.out).length;
  if (cheaper > 0) reasons.push(`${plural(cheaper, 'provider')} of ${others.length} others seen today ${cheaper === 1 ? 'is' : 'are'} cheaper for the same model`);
  const refusals = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  if (refusals.length > 0) reasons.push(`it refused ${refusals.join(', ')}`);
  reasons.push(lastAskedAt === null ? `nobody has asked since it started ${timeSpan(now - entry.startedAt)} ago` : `it was last asked ${timeSpan(now - lastAskedAt)} ago`);
  return reasons;
}

async function statusOf(config: Config, entry: RunEntry, logger: Logger, now: number): Promise<NodeStatus> {
  const { readActivity } = await import('../node/home/activity.ts');
  const found = await readActivity(config.home.run, entry.role);
  // Of an earlier run, it says nothing about this one.
  const activity = found !== null && found.at >= entry.startedAt ? found : null;
  const today = entry.role === 'provider' ? await todayOf(config, now) : null;
  return { ...entry, activity, today, idle: activity === null ? [] : await whyIdle(config, entry, activity, logger, now) };
}

function linesOf({ role, peer, network, activity, today, idle, startedAt }: NodeStatus, now: number): readonly string[] {
  const head = `${role} ${shortPeer(peer)} · network ${network} · up ${timeSpan(now - startedAt)}`;
  if (activity === null) return [head, '  it has said nothing of itself yet'];
  const { slots, models, tokensPerSecond, taken, finished, failed, peers, price } = activity;
  return [
    `${head} · ${plural(peers, 'peer')}`,
    ...(models.length === 0 ? [] : [`  models    ${models.join(', ')}${price === null ? '' : price.in === 0 && price.out === 0 ? ' · free' : ` · ${price.in}/${price.out} lamports per 1,000 tokens`}${tokensPerSecond === null ? '' : ` · ${rate(tokensPerSecond)} tok/s`}`]),
    ...(slots === null ? [] : [`  slots     ${slots.used} of ${slots.total} in use, ${slots.waiting} waiting`]),
    `  this run  ${plural(taken, 'question')} taken, ${finished} answered, ${failed} failed`,
    ...(today === null ? [] : [`  today     ${plural(today.answers, 'answer')}, ${plural(today.tokens, 'token')}, ${today.earned === 0n ? 'nothing earned' : sol(today.earned)}`]),
    ...idle.map((reason, at) => `${at === 0 ? '  idle      ' : '            '}${reason}`),
  ];
}

export const command = defineCommand({
  description: 'Shows what the nodes of this home do now: models, slots and queue, speed, what was earned today, and why a node that is idle may be. With --json: {nodes: [{role, peer, addrs, network, models, pid, startedAt, activity, today, idle}], gateway: {url, pid, startedAt, network} or null}.',
  examples: [
    { line: 'qvac status', what: 'everything of this home that runs' },
    { line: 'qvac status --json', what: 'for programs' },
  ],
  async action({ config, output, logger }) {
    const [{ createRunFiles }, { readGatewayRun }, { systemClock }] = await Promise.all([import('../node/home/run-files.ts'), import('../gateway/run-file.ts'), import('../lib/clock.ts')]);
    const now = systemClock.now();
    const nodes = await Promise.all((await createRunFiles(config.home.run).list()).map((entry) => statusOf(config, entry, logger, now)));
    const run = await readGatewayRun(config.home.run);
    const gateway = run !== null && run.running ? { url: run.url, pid: run.pid, startedAt: run.startedAt, network: run.network } : null;
    const lines = [...nodes.flatMap((node) => linesOf(node, now)), ...(gateway === null ? [] : [`gateway ${gateway.url} · network ${gateway.network} · up ${timeSpan(now - gateway.startedAt)}`])];
    output.result({ nodes, gateway }, lines);
    if (lines.length === 0) output.say('nothing of this home runs; qvac serve, qvac route or qvac gateway begins');
  },
});
