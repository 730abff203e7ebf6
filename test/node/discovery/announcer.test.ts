import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, type TestContext, test } from 'node:test';
import type { CID } from 'multiformats/cid';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../src/lib/types.ts';
import { Announcer } from '../../../src/node/discovery/announcer.ts';
import { createDiscovery } from '../../../src/node/discovery/discovery.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { PeerEvents } from '../../../src/node/peer/peer-events.ts';
import { cardProtocol } from '../../../src/protocol/constants.ts';
import { kadProtocol, nameKey } from '../../../src/protocol/discovery-keys.ts';

interface Trial {
  readonly announcer: Announcer;
  /** Announcements so far, and peers in the routing table. */
  announcements: number;
  tableSize: number;
  /** Whether announcements fail. */
  fails: boolean;
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
      if (trial.fails) throw new Error('no peer keeps the record');
    },
    withdraw: async () => undefined,
    async *providers() {},
  };
  const trial: Trial = {
    announcer: new Announcer({ routing, isReachable: () => true, logger: silentLogger, monotonic: () => nowMs }),
    announcements: 0,
    tableSize,
    fails: false,
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

test('announcements that fail are repeated less and less often, and at once when the addresses change', async (t) => {
  const trial = await start(t, 200);
  trial.fails = true;
  trial.announcer.refresh();
  await trial.pass(600_000);
  // After 0, 2, 4, 8, 16, 32 s, and then each minute.
  assert.equal(trial.announcements, 1 + 14);
  trial.fails = false;
  trial.announcer.refresh();
  await trial.pass(250);
  assert.equal(trial.announcements, 1 + 14 + 1);
  trial.fails = true;
  trial.announcer.refresh();
  await trial.pass(3_000);
  assert.equal(trial.announcements, 1 + 14 + 1 + 2);
});

test('a key whose announcement takes too long leaves the next one its time', async (t) => {
  const deadlines: AbortController[] = [];
  t.mock.method(AbortSignal, 'timeout', () => {
    const deadline = new AbortController();
    deadlines.push(deadline);
    return deadline.signal;
  });
  const announced: string[] = [];
  const first = nameKey('alpha').toString();
  const announce = async (key: CID, { signal }: AbortOptions = {}): Promise<void> => {
    if (key.toString() === first) deadlines.at(-1)?.abort(new Error('too late'));
    signal?.throwIfAborted();
    announced.push(key.toString());
  };
  const routing = { size: () => 5, announce, withdraw: async () => undefined };
  const announcer = new Announcer({ routing, isReachable: () => true, logger: silentLogger });
  t.after(() => announcer.stop());
  announcer.set([nameKey('alpha'), nameKey('beta')]);
  announcer.start();
  for (const until = performance.now() + 30_000; announced.length === 0; ) {
    assert.ok(performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(announced, [nameKey('beta').toString()]);
});

test('in a small network clients that come and go have no keys announced, nodes of the hash table do', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  let announcements = 0;
  const routing = { isEnabled: true, size: () => 5, announce: async () => void announcements++ };
  const events = new EventEmitter<PeerEvents>();
  const node = { role: 'provider', network: 'test', events, routing, addrs: () => ['/ip4/127.0.0.1/tcp/1'] };
  const peer = { ...node, connected: () => [] } as unknown as Peer;
  const discovery = createDiscovery({ peer, clock: systemClock, logger: silentLogger });
  await discovery.start();
  t.after(() => discovery.stop());
  discovery.announce([nameKey('alpha')]);
  const meet = async (protocols: readonly string[]): Promise<number> => {
    const before = announcements;
    events.emit('connect', 'peer' as PeerIdString);
    events.emit('identify', 'peer' as PeerIdString, protocols);
    for (const until = nowMs + 10_000; nowMs < until; nowMs += 250) {
      t.mock.timers.tick(250);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return announcements - before;
  };
  await meet([]);
  assert.equal(announcements, 1);
  assert.equal(await meet([cardProtocol, kadProtocol('elsewhere')]), 0);
  assert.equal(await meet([kadProtocol('test')]), 1);
});
