import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { messageOf } from '../../../src/errors.ts';
import { startAsker, type TestAsker } from '../../../test/support/asking.ts';
import { testSampler } from '../../../test/support/market.ts';
import { createScriptedEngine } from '../../../test/support/scripted-engine.ts';
import { measured } from '../measured.ts';
import type { Fleet } from './fleet.ts';

/** What a client met. */
export interface Visit {
  /** From its start, or of a client that runs from its question, to the first text of an answer; null if it got none. */
  readonly answeredMs: number | null;
  readonly error: string | null;
  /** Offers sent to dead providers, and those of them to one that had already failed this client. */
  readonly deadOffers: number;
  readonly repeatedOffers: number;
}

type Whereabouts = Pick<Fleet, 'bootstrap' | 'home'>;

/** A client in this process, new by its key. @param cachePath file of the peers seen in earlier runs */
export function startVisitor(
  context: TestContext,
  { bootstrap }: Whereabouts,
  cachePath: string | null = null,
): Promise<TestAsker> {
  const peer = { kademlia: true };
  return startAsker(context, { peer, discovery: { bootstrap, cachePath }, engines: [createScriptedEngine()] });
}

/** Asks for an answer of any provider, recomputes all of it, and says how that went. */
export async function ask(asker: TestAsker, dead: ReadonlySet<string>, beganMs: number): Promise<Visit> {
  const from = asker.told.length;
  let answeredMs: number | null = null;
  let error: string | null = null;
  try {
    await asker.ask(
      { model: 'scripted', verify: 'full', sampler: { ...testSampler, maxTokens: 12 } },
      {
        onText: () => {
          answeredMs ??= performance.now() - beganMs;
        },
      },
    );
  } catch (thrown) {
    answeredMs = null;
    error = messageOf(thrown);
  }
  const offered = (lines: readonly string[]): readonly string[] =>
    lines.flatMap((line) => /^sending provider (\S+)$/.exec(line)?.[1] ?? []).filter((peer) => dead.has(peer));
  const before = new Set(offered(asker.told.slice(0, from)));
  let repeatedOffers = 0;
  const deadOffers = offered(asker.told.slice(from));
  for (const peer of deadOffers) {
    if (before.has(peer)) repeatedOffers++;
    before.add(peer);
  }
  return { answeredMs, error, deadOffers: deadOffers.length, repeatedOffers };
}

/**
 * A client that comes, asks three times, and goes.
 * @param cache the peers that a client saw before half of them died; null for one that knows the seeds alone
 */
export function visit(fleet: Whereabouts, dead: ReadonlySet<string>, cache: string | null): Promise<readonly Visit[]> {
  return measured(async (context) => {
    const cachePath = cache === null ? null : join(fleet.home, `peers-${randomBytes(8).toString('hex')}.json`);
    if (cache !== null && cachePath !== null) await copyFile(cache, cachePath);
    const beganMs = performance.now();
    const asker = await startVisitor(context, fleet, cachePath);
    const visits = [await ask(asker, dead, beganMs)];
    for (let again = 0; again < 2; again++) visits.push(await ask(asker, dead, performance.now()));
    return visits;
  });
}
