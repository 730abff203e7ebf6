import type { Config } from '../../config.ts';
import { ipOfMultiaddr, kindOfIp } from '../../lib/ip-kind.ts';
import type { Logger } from '../../lib/log.ts';
import type { Activity } from '../../node/home/activity.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import { plural, timeSpan } from '../../terminal/format.ts';
import { checkReach } from '../doctor/reach.ts';

/** Answers and earnings of today (UTC). */
export interface Today {
  readonly answers: number;
  readonly tokens: number;
  /** Lamports received today, perhaps for earlier answers. */
  readonly earned: bigint;
}

/** The rank of a price among today's offers of the same models. */
export interface Rank {
  /** 1 is the lowest price; equal prices share a place. */
  readonly place: number;
  /** Number of providers, this one included. */
  readonly of: number;
}

export interface NodeStatus extends RunEntry {
  readonly activity: Activity | null;
  readonly today: Today | null;
  readonly rank: Rank | null;
  /** Possible reasons why the node is idle, the likeliest first; empty for a relay, or if it is busy. */
  readonly idle: readonly string[];
}

const dayMs = 86_400_000;

/** The last report of a node of this home, with earnings and rank. */
export async function statusOf(config: Config, entry: RunEntry, logger: Logger, now: number): Promise<NodeStatus> {
  const { readActivity } = await import('../../node/home/activity.ts');
  const found = await readActivity(config.home.run, entry.role);
  // A report of an earlier run says nothing about this one.
  const activity = found !== null && found.at >= entry.startedAt ? found : null;
  const today = entry.role === 'provider' ? await todayOf(config, now) : null;
  const rank =
    activity === null || activity.price === null ? null : await rankOf(config, entry, activity.price.out, logger, now);
  return {
    ...entry,
    activity,
    today,
    rank,
    idle: activity === null ? [] : whyIdle(config, entry, activity, rank, now),
  };
}

/** Counts answers served since midnight, and adds the earnings since then. */
async function todayOf(config: Config, now: number): Promise<Today> {
  const [{ createReceiptStore }, { MalformedError }, { QvacError }, { earnedOn }] = await Promise.all([
    import('../../node/home/receipt-store.ts'),
    import('../../protocol/codec.ts'),
    import('../../errors.ts'),
    import('../../node/home/earnings.ts'),
  ]);
  const store = createReceiptStore(config.home.receiptsOf.provider);
  const midnight = now - (now % dayMs);
  let [answers, tokens] = [0, 0];
  for (const { id, savedAt } of await store.list()) {
    if (savedAt < midnight) break;
    try {
      tokens += (await store.get(id)).receipt.tokens.length;
      answers += 1;
    } catch (error) {
      if (!(error instanceof QvacError) && !(error instanceof MalformedError)) throw error;
    }
  }
  return { answers, tokens, earned: (await earnedOn(config.home.earnings, now)).lamports };
}

/** The rank among the offers of peers seen in the last 24 hours; null if none offers the same models. */
async function rankOf(config: Config, own: RunEntry, price: number, logger: Logger, now: number): Promise<Rank | null> {
  const [{ PeerCache }, { modelIdHex }] = await Promise.all([
    import('../../node/discovery/peer-cache.ts'),
    import('../../protocol/digests.ts'),
  ]);
  const seen = await new PeerCache(config.home.peers, config.networkName, logger).load();
  const others = seen
    .filter(({ peer, seenAt }) => peer !== own.peer && seenAt > now - dayMs)
    .flatMap(({ card: { card } }) =>
      card.models.filter(({ id }) => own.models.includes(modelIdHex(id))).map(({ priceOut }) => priceOut),
    );
  return others.length === 0
    ? null
    : { place: 1 + others.filter((other) => other < price).length, of: 1 + others.length };
}

function whyIdle(
  config: Config,
  entry: RunEntry,
  activity: Activity,
  rank: Rank | null,
  now: number,
): readonly string[] {
  const { peers, slots, taken, lastAskedAt, refused, reach } = activity;
  if (entry.role === 'relay' || (slots !== null && slots.used > 0)) return [];
  const reasons: string[] = [];
  if (peers === 0)
    reasons.push(
      lastAskedAt === null
        ? 'not connected to any node yet, so no client can find it (pass a peer with --bootstrap)'
        : 'not connected to any node now',
    );
  const found = checkReach(config, [{ entry, reach }]).find(({ result }) => result === 'warn');
  if (found !== undefined) reasons.push(found.detail);
  else if (
    reach.way !== 'direct' &&
    reach.dialledIn.public === 0 &&
    !entry.addrs.some((address) => kindOfIp(ipOfMultiaddr(address) ?? '') === 'public')
  )
    reasons.push('reachable from this machine and its local network only');
  if (rank !== null && rank.place > 1)
    reasons.push(`${rank.place - 1} of ${plural(rank.of - 1, 'other provider')} seen today offer a lower price`);
  const refusals = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  if (refusals.length > 0) reasons.push(`refused ${refusals.join(', ')}`);
  const asked = taken + Object.values(refused).reduce((sum, count) => sum + count, 0);
  reasons.push(
    lastAskedAt === null
      ? `no question since the start ${timeSpan(now - entry.startedAt)} ago`
      : `${plural(asked, 'question')} in this run, the last ${timeSpan(now - lastAskedAt)} ago`,
  );
  return reasons;
}
