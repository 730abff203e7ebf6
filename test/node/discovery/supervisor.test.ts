import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import type { PeerIdString } from '../../../src/lib/types.ts';
import { Supervisor, type SupervisorTimings } from '../../../src/node/discovery/supervisor.ts';

const a = 'a' as PeerIdString;

interface Trial {
  readonly supervisor: Supervisor;
  readonly attempts: PeerIdString[];
  readonly forgotten: PeerIdString[];
  /** How attempts end from now on. */
  outcome: 'up' | 'down';
  alone: boolean;
  nowMs: number;
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>;
}

function start(t: TestContext, timings: Partial<SupervisorTimings> = {}, random = 0): Trial {
  mock.timers.enable({ apis: ['setTimeout'] });
  const trial: Trial = {
    attempts: [],
    forgotten: [],
    outcome: 'down',
    alone: false,
    nowMs: 0,
    supervisor: new Supervisor(
      {
        reach: async (peer) => {
          trial.attempts.push(peer);
          if (trial.outcome === 'down') throw new Error('unreachable');
        },
        alone: () => trial.alone,
        forgotten: (peer) => trial.forgotten.push(peer),
        random: () => random,
        monotonic: () => trial.nowMs,
      },
      timings,
    ),
    async pass(ms) {
      trial.nowMs += ms;
      mock.timers.tick(ms);
      await settle();
    },
  };
  t.after(() => {
    trial.supervisor.stop();
    mock.timers.reset();
  });
  trial.supervisor.start();
  return trial;
}

/** Lets promises that are due resolve. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('a peer that cannot be reached is tried after 1, 5 and 15 s and then every 10 minutes', async (t) => {
  const trial = start(t);
  trial.supervisor.add(a, { keep: true });
  await settle();
  for (const [count, wait] of [1_000, 5_000, 15_000, 600_000, 600_000].entries()) {
    assert.equal(trial.attempts.length, count + 1);
    await trial.pass(wait - 1);
    assert.equal(trial.attempts.length, count + 1);
    await trial.pass(1);
  }
  assert.equal(trial.attempts.length, 6);
});

test('waits are spread by up to the jitter', async (t) => {
  const trial = start(t, { jitter: 0.5 }, 1);
  trial.supervisor.add(a);
  await settle();
  await trial.pass(1_499);
  assert.equal(trial.attempts.length, 1);
  await trial.pass(1);
  assert.equal(trial.attempts.length, 2);
});

test('a node without any connection never waits longer than 15 s, even after longer waits', async (t) => {
  const trial = start(t, { tiersMs: [600_000] });
  trial.supervisor.add(a, { keep: true });
  await settle();
  trial.alone = true;
  trial.supervisor.lost('b' as PeerIdString);
  await trial.pass(15_000);
  assert.equal(trial.attempts.length, 2);
  await trial.pass(15_000);
  assert.equal(trial.attempts.length, 3);
});

test('a lost peer is tried again, and at once if it is mentioned', async (t) => {
  const trial = start(t, { provenMs: 0 });
  trial.outcome = 'up';
  trial.supervisor.add(a);
  await settle();
  trial.supervisor.add(a, { hurry: true });
  await settle();
  assert.equal(trial.attempts.length, 1);
  trial.supervisor.lost(a);
  await settle();
  assert.equal(trial.attempts.length, 1);
  trial.supervisor.add(a, { hurry: true });
  await settle();
  assert.equal(trial.attempts.length, 2);
  trial.supervisor.lost(a);
  await trial.pass(1_000);
  assert.equal(trial.attempts.length, 3);
});

test('a peer that drops every connection at once is treated as one that does not answer', async (t) => {
  const trial = start(t);
  trial.outcome = 'up';
  trial.supervisor.add(a);
  await settle();
  for (const wait of [1_000, 5_000, 15_000]) {
    const before = trial.attempts.length;
    trial.supervisor.lost(a);
    await trial.pass(wait - 1);
    assert.equal(trial.attempts.length, before);
    await trial.pass(1);
    assert.equal(trial.attempts.length, before + 1);
  }
});

test('a peer is forgotten after six attempts, unless it is to be kept', async (t) => {
  const trial = start(t);
  trial.supervisor.add(a);
  trial.supervisor.add('kept' as PeerIdString, { keep: true });
  await settle();
  for (let round = 0; round < 10; round++) await trial.pass(600_000);
  assert.equal(trial.attempts.filter((peer) => peer === a).length, 6);
  assert.deepEqual(trial.forgotten, [a]);
  assert.equal(trial.attempts.filter((peer) => peer === 'kept').length, 11);
});

test('only a few peers are tried at a time', async () => {
  let running = 0;
  let most = 0;
  const finish: (() => void)[] = [];
  const supervisor = new Supervisor(
    {
      reach: async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => finish.push(resolve));
        running--;
      },
      alone: () => false,
      forgotten: () => {},
    },
    { parallel: 2 },
  );
  supervisor.start();
  for (let peer = 0; peer < 6; peer++) supervisor.add(`${peer}` as PeerIdString);
  assert.equal(supervisor.busy(), 6);
  for (let done = 0; done < 6; done++) {
    finish.shift()?.();
    await settle();
  }
  assert.equal(most, 2);
  assert.equal(supervisor.busy(), 0);
  supervisor.stop();
});

test('peers that failed do not keep new ones waiting', async (t) => {
  const trial = start(t, { parallel: 1 });
  for (const dead of ['b', 'c', 'd']) trial.supervisor.add(dead as PeerIdString);
  await settle();
  for (const dead of ['b', 'c', 'd']) trial.supervisor.add(dead as PeerIdString, { hurry: true });
  trial.supervisor.add(a);
  await settle();
  assert.deepEqual(trial.attempts.slice(0, 5), ['b', 'c', 'd', 'b', a]);
});

test('a rumour of a peer that has just failed brings no attempt, a later one does', async (t) => {
  const trial = start(t, { tiersMs: [600_000], rumourMs: 10_000 });
  trial.supervisor.add(a, { hurry: 'rumour' });
  await settle();
  await trial.pass(9_999);
  trial.supervisor.add(a, { hurry: 'rumour' });
  await settle();
  assert.equal(trial.attempts.length, 1);
  await trial.pass(1);
  trial.supervisor.add(a, { hurry: 'rumour' });
  await settle();
  assert.equal(trial.attempts.length, 2);
});

test('a peer that is dropped is not tried again', async (t) => {
  const trial = start(t);
  trial.supervisor.add(a);
  await settle();
  trial.supervisor.drop(a);
  await trial.pass(600_000);
  assert.deepEqual([trial.attempts.length, trial.supervisor.size(), trial.forgotten.length], [1, 0, 0]);
});
