import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { ModelId, PeerIdString } from '../../../src/lib/types.ts';
import { auditRateOf } from '../../../src/node/selection/audit-rate.ts';
import {
  cooldownMs,
  experienceHalfLifeMs,
  faultHalfLifeMs,
  maxPools,
  maxProviders,
  maxSpeeds,
} from '../../../src/node/selection/constants.ts';
import type { Experience } from '../../../src/node/selection/experience.ts';
import { createReputation, type Reputation } from '../../../src/node/selection/reputation.ts';
import type { FaultCode } from '../../../src/protocol/messages.ts';

const alice = '12D3KooWAlice' as PeerIdString;
const model = 'a'.repeat(64) as ModelId;
const served: Experience = { kind: 'served', model, n: 101, firstTokenMs: 500, totalMs: 2_500 };

function atTime(start = 1_000_000): {
  readonly reputation: Reputation;
  readonly clock: { now(): number; time: number };
} {
  const clock = { time: start, now: () => clock.time };
  return { clock, reputation: createReputation({ clock, logger: silentLogger }, { path: null }) };
}

async function withHome(run: (path: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-reputation-'));
  try {
    await run(join(home, 'reputation.json'));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

describe('reputation', () => {
  it('uses a newcomer, but trusts one that has served more', () => {
    const { reputation } = atTime();
    const before = reputation.standing(alice);
    reputation.record(alice, served);
    assert.equal(before.usable, true);
    assert.ok(reputation.standing(alice).reliability > before.reliability);
  });

  it('measures tokens per second from the first token on', () => {
    const { reputation } = atTime();
    reputation.record(alice, served);
    assert.deepEqual(reputation.speed(alice, model), { tokensPerSecond: 50, firstTokenMs: 500 });
    reputation.record(alice, { ...served, n: 3 });
    assert.deepEqual(reputation.speed(alice, model), { tokensPerSecond: 50, firstTokenMs: 500 });
  });

  it('stops using a provider after one fault, for one half-life; after two, for two', () => {
    const { reputation, clock } = atTime();
    reputation.record(alice, { kind: 'fault', fault: 'draws-far' });
    const standing = reputation.standing(alice);
    assert.equal(standing.usable, false);
    assert.match(standing.reason ?? '', /draws-far/);
    clock.time += faultHalfLifeMs;
    assert.equal(reputation.standing(alice).usable, true);

    reputation.record(alice, { kind: 'fault', fault: 'sampler-mismatch' });
    clock.time += faultHalfLifeMs;
    assert.equal(reputation.standing(alice).usable, false);
    clock.time += faultHalfLifeMs;
    assert.equal(reputation.standing(alice).usable, true);
  });

  it('audits a cheat that comes back like a newcomer, and one that only was silent as before', () => {
    const rateAfter = (fault: FaultCode): number => {
      const { reputation, clock } = atTime();
      for (let at = 0; at < 100; at++) reputation.record(alice, { kind: 'verified', lamports: 1_000 });
      assert.equal(auditRateOf(reputation.standing(alice), 1_000n, 0.05), 0.05);
      reputation.record(alice, { kind: 'fault', fault });
      clock.time += faultHalfLifeMs;
      assert.equal(reputation.standing(alice).usable, true);
      return auditRateOf(reputation.standing(alice), 1_000n, 0.05);
    };
    assert.deepEqual([rateAfter('draws-far'), rateAfter('silence')], [1, 0.05]);
  });

  it('does not use a provider that breaks jobs in a row, each time for longer, until it serves again', () => {
    const { reputation, clock } = atTime();
    reputation.record(alice, { kind: 'aborted' });
    assert.equal(reputation.standing(alice).usable, true);
    reputation.record(alice, { kind: 'aborted' });
    assert.equal(reputation.standing(alice).usable, false);
    clock.time += cooldownMs;
    assert.equal(reputation.standing(alice).usable, true);
    reputation.record(alice, { kind: 'aborted' });
    clock.time += cooldownMs;
    assert.equal(reputation.standing(alice).usable, false);
    reputation.record(alice, served);
    assert.equal(reputation.standing(alice).usable, true);
  });

  it('forgives one missing opening, which may be a crash, but not two', () => {
    const { reputation } = atTime();
    reputation.record(alice, { kind: 'fault', fault: 'silence' });
    assert.equal(reputation.standing(alice).usable, true);
    reputation.record(alice, { kind: 'fault', fault: 'silence' });
    assert.equal(reputation.standing(alice).usable, false);
  });

  it('counts jobs that break off together as one outage', () => {
    const { reputation, clock } = atTime();
    for (let job = 0; job < 20; job++) reputation.record(alice, { kind: 'aborted' });
    clock.time += cooldownMs;
    assert.equal(reputation.standing(alice).usable, true);
  });

  it('forgets outages sooner than cheating', () => {
    const { reputation, clock } = atTime();
    reputation.record(alice, { kind: 'aborted' });
    reputation.record(alice, { kind: 'fault', fault: 'bad-opening' });
    clock.time += experienceHalfLifeMs;
    const standing = reputation.standing(alice);
    assert.equal(standing.aborted, 0.5);
    assert.ok(standing.faults > 0.9);
  });

  it('keeps reliability between 0 and 1 and never below that of a provider with one more failure', () => {
    const experience = fc.constantFrom<Experience>(
      served,
      { kind: 'busy' },
      { kind: 'aborted' },
      {
        kind: 'verified',
        lamports: 1,
      },
    );
    fc.assert(
      fc.property(fc.array(experience, { maxLength: 50 }), fc.nat(10 * experienceHalfLifeMs), (history, later) => {
        const { reputation, clock } = atTime();
        for (const each of history) reputation.record(alice, each);
        clock.time += later;
        const { reliability } = reputation.standing(alice);
        assert.ok(reliability > 0 && reliability < 1);
        reputation.record(alice, { kind: 'aborted' });
        assert.ok(reputation.standing(alice).reliability < reliability);
      }),
      { seed: 1 },
    );
  });

  it('survives a clock that goes back', () => {
    const { reputation, clock } = atTime();
    reputation.record(alice, { kind: 'fault', fault: 'draws-far' });
    clock.time -= 500_000;
    assert.equal(reputation.standing(alice).usable, false);
    assert.equal(reputation.standing(alice).faults, 1);
  });

  it('does not keep the times of a clock that was years ahead when it was written', async () => {
    await withHome(async (path) => {
      const start = Date.UTC(2026, 0, 1);
      const clock = { time: start + 3_650 * 86_400_000, now: () => clock.time };
      const before = createReputation({ clock, logger: silentLogger }, { path });
      before.record(alice, { kind: 'fault', fault: 'draws-far' });
      before.record(alice, { kind: 'aborted' });
      before.record(alice, { kind: 'aborted' });
      await before.stop();
      clock.time = start;
      const reputation = createReputation({ clock, logger: silentLogger }, { path });
      await reputation.start();
      assert.equal(reputation.standing(alice).usable, false);
      clock.time += 1.01 * faultHalfLifeMs;
      assert.equal(reputation.standing(alice).usable, true);
      reputation.record(alice, { kind: 'aborted' });
      assert.equal(reputation.standing(alice).isResting, true);
      await reputation.stop();
    });
  });

  it('stays bounded, and a flood of newcomers does not erase a cheat’s record', () => {
    const { reputation, clock } = atTime();
    reputation.record(alice, { kind: 'fault', fault: 'exact-mismatch' });
    for (let each = 0; each < maxProviders + 50; each++) {
      clock.time += 1;
      reputation.record(`12D3KooW${each}` as PeerIdString, served);
    }
    assert.equal(reputation.peers().length, maxProviders);
    assert.equal(reputation.standing(alice).usable, false);

    for (let each = 0; each < maxSpeeds + 5; each++)
      reputation.record(alice, { ...served, model: each.toString(16).padStart(64, '0') as ModelId });
    assert.equal(reputation.speed(alice, '0'.padStart(64, '0') as ModelId), null);
    assert.notEqual(reputation.speed(alice, (maxSpeeds + 4).toString(16).padStart(64, '0') as ModelId), null);
  });

  it('judges the newest thousand steps of a provider with a model together, over a restart, and starts anew then', async () => {
    await withHome(async (path) => {
      const misses = { steps: 300, sum: 1_800_000, limit: 5_000 };
      const first = createReputation({ clock: systemClock, logger: silentLogger }, { path });
      await first.start();
      for (let at = 0; at < 3; at++) assert.equal(first.pool(alice, model, misses).result, 'inconclusive');
      first.record(alice, served);
      await first.stop();
      const again = createReputation({ clock: systemClock, logger: silentLogger }, { path });
      await again.start();
      // Neither other providers' answers nor those of another model count.
      const good = { ...misses, sum: 0 };
      for (let at = 0; at < 9; at++) {
        again.pool('12D3KooWBob' as PeerIdString, model, good);
        again.pool(alice, 'b'.repeat(64) as ModelId, good);
      }
      assert.equal(again.standing(alice).usable, true);
      const finding = again.pool(alice, model, misses);
      assert.deepEqual(finding, { result: 'fail', steps: 1_200, meanMiss: 6_000, limit: 5_000 });
      assert.deepEqual([again.standing(alice).usable, again.standing(alice).lastFault], [false, 'pool-far']);
      assert.equal(again.pool(alice, model, misses).result, 'inconclusive');
      await again.stop();
    });
  });

  it('keeps a bounded number of pools, the ones in use', async () => {
    await withHome(async (path) => {
      const { reputation } = atTime();
      const idOf = (at: number): ModelId => `${at}`.padStart(64, '0') as ModelId;
      const most = { steps: 999, sum: 0, limit: 5_000 };
      const poolOf = (known: Reputation, at: number) => known.pool(alice, idOf(at), { ...most, steps: 1 }).steps;
      for (let at = 0; at < maxPools; at++) reputation.pool(alice, idOf(at), most);
      assert.equal(poolOf(reputation, 0), 1_000);
      reputation.pool(alice, idOf(maxPools), most);
      assert.deepEqual([poolOf(reputation, 0), poolOf(reputation, 1)], [1_001, 1]);
      const file = createReputation({ clock: systemClock, logger: silentLogger }, { path });
      for (let at = 0; at < 5_000; at++) file.pool(alice, idOf(at % maxPools), { steps: 1, sum: 7, limit: 5_000 });
      await file.stop();
      assert.ok((await readFile(path)).length < 20_000);
      await file.start();
      assert.equal(poolOf(file, 0), Math.ceil(5_000 / maxPools) + 1);
      await file.stop();
    });
  });

  it('is the same after a restart, and decays over the time between', async () => {
    await withHome(async (path) => {
      const clock = { time: 5_000_000, now: () => clock.time };
      const first = createReputation({ clock, logger: silentLogger }, { path });
      await first.start();
      first.record(alice, served);
      first.record(alice, { kind: 'fault', fault: 'distribution-far' });
      const before = first.standing(alice);
      await first.stop();

      const second = createReputation({ clock, logger: silentLogger }, { path });
      await second.start();
      assert.deepEqual(second.standing(alice), before);
      assert.deepEqual(second.speed(alice, model), first.speed(alice, model));
      clock.time += faultHalfLifeMs;
      assert.equal(second.standing(alice).faults, 0.5);
    });
  });

  it('starts without a damaged file and logs a warning', async () => {
    for (const damaged of ['{', '[]', '{"version":1,"providers":{"x":{"at":-1}}}', '{"version":2,"providers":{}}']) {
      await withHome(async (path) => {
        await writeFile(path, damaged);
        const warnings: string[] = [];
        const reputation = createReputation(
          { clock: { now: () => 1 }, logger: { ...silentLogger, warn: (message) => void warnings.push(message) } },
          { path },
        );
        await reputation.start();
        assert.equal(reputation.peers().length, 0);
        assert.equal(warnings.length, 1);
        reputation.record(alice, served);
        await reputation.stop();
        assert.match(await readFile(path, 'utf8'), /12D3KooWAlice/);
      });
    }
  });

  it('continues if the file cannot be written', async () => {
    await withHome(async (path) => {
      const warnings: string[] = [];
      const reputation = createReputation(
        { clock: { now: () => 1 }, logger: { ...silentLogger, warn: (message) => void warnings.push(message) } },
        { path: join(path, 'under-a-file') },
      );
      await writeFile(path, 'a file');
      reputation.record(alice, served);
      await reputation.stop();
      assert.equal(warnings.length, 1);
      assert.ok(reputation.standing(alice).served > 0);
    });
  });
});
