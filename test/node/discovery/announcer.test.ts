import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { silentLogger } from '../../../src/lib/log.ts';
import { Announcer } from '../../../src/node/discovery/announcer.ts';
import { nameKey } from '../../../src/protocol/discovery-keys.ts';

interface Trial {
  readonly announcer: Announcer;
  /** Announcements so far, and peers in the routing table. */
  announcements: number;
  tableSize: number;
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>;
}

async function start(t: TestContext, tableSize: number): Promise<Trial> {
  mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  const routing = {
    size: () => trial.tableSize,
    announce: async () => {
      trial.announcements++;
    },
    withdraw: async () => undefined,
    async *providers() {},
  };
  const trial: Trial = {
    announcer: new Announcer({ routing, isReachable: () => true, logger: silentLogger, monotonic: () => nowMs }),
    announcements: 0,
    tableSize,
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 250) {
        nowMs += 250;
        mock.timers.tick(250);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  t.after(() => {
    trial.announcer.stop();
    mock.timers.reset();
  });
  trial.announcer.set([nameKey('alpha')]);
  trial.announcer.start();
  await trial.pass(1_000);
  assert.equal(trial.announcements, 1);
  return trial;
}

test('in a small network each node that joins or returns is told', async (t) => {
  const trial = await start(t, 5);
  trial.tableSize = 6;
  await trial.pass(10_000);
  assert.equal(trial.announcements, 2);
  trial.announcer.nudge();
  await trial.pass(10_000);
  assert.equal(trial.announcements, 3);
});

test('in a large network connections and a growing table do not have all keys announced again every 5 s', async (t) => {
  const trial = await start(t, 200);
  for (let second = 0; second < 100; second++) {
    trial.tableSize++;
    trial.announcer.nudge();
    await trial.pass(1_000);
  }
  assert.equal(trial.announcements, 1);
  trial.tableSize = 400;
  await trial.pass(1_000);
  assert.equal(trial.announcements, 2);
  trial.announcer.refresh();
  await trial.pass(1_000);
  assert.equal(trial.announcements, 3);
});
