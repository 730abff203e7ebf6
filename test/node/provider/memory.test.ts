import assert from 'node:assert/strict';
import fs from 'node:fs';
import { appendFile, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex, utf8 } from '../../../src/lib/bytes.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { JobId, PeerIdString } from '../../../src/lib/types.ts';
import { createRateLimit } from '../../../src/node/provider/admission/rate-limit.ts';
import { createSeenJobs } from '../../../src/node/provider/admission/seen-jobs.ts';
import { createTimeLimit } from '../../../src/node/provider/admission/time-limit.ts';
import { createKeptFiles, type KeptFiles } from '../../../src/node/provider/job/kept-files.ts';
import { createKeptJobs, type KeptJob } from '../../../src/node/provider/job/kept-jobs.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { movedClock } from '../../support/clock.ts';
import { chat } from '../../support/models/inputs.ts';

const id = (number: number): JobId => number.toString(16).padStart(64, '0') as JobId;

/** @param change of a job of 220 KiB that only memory holds */
function finishedJob(number: number, clock: Clock, change: Partial<KeptJob> = {}): KeptJob {
  const receipt = {
    input: null,
    extra: new Uint8Array(),
    promptTokens: new Array<number>(8_000).fill(1),
    tokens: [],
  } as unknown as Receipt;
  return {
    jobId: id(number),
    client: new Uint8Array(32),
    commit: fromHex(id(number)),
    root: new Uint8Array(32),
    isScore: false,
    keepUntil: clock.now() + 600_000,
    paid: null,
    transcript: null,
    opening: null,
    receipt,
    saved: Promise.resolve(),
    holds: 1,
    ...change,
  };
}

test('an offer is remembered until it expires, even by the next process', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-seen-'));
  context.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'seen');
  const clock = movedClock();
  const components = { clock, logger: silentLogger };
  const now = clock.now();
  const first = createSeenJobs(components, { file });
  assert.equal(first.add(id(1), now + 1_000), 'new');
  assert.equal(first.add(id(1), now + 1_000), 'seen');
  assert.equal(first.add(id(2), now + 600_000), 'new');
  first.close();
  // A crash in the middle of a record.
  await appendFile(file, new Uint8Array(17));
  clock.move(2_000);
  const second = createSeenJobs(components, { file });
  assert.equal(second.add(id(2), now + 600_000), 'seen');
  assert.equal(second.add(id(1), now + 600_000), 'new');
  second.close();
  const third = createSeenJobs(components, { file });
  assert.equal(third.add(id(1), now + 600_000), 'seen');
  third.close();
});

test('a full disk that takes a part of a record costs no other offer', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-seen-'));
  context.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'seen');
  const components = { clock: movedClock(), logger: silentLogger };
  const expiresAt = components.clock.now() + 600_000;
  const first = createSeenJobs(components, { file });
  assert.equal(first.add(id(1), expiresAt), 'new');
  const write = fs.writeSync;
  const full = (descriptor: number, bytes: Uint8Array, offset = 0, _length = 0, position?: number): number => {
    if (offset > 0) throw new Error('ENOSPC: no space left on device');
    return write(descriptor, bytes, 0, 17, position);
  };
  const mock = context.mock.method(fs, 'writeSync', full);
  syncBuiltinESMExports();
  try {
    assert.equal(first.add(id(2), expiresAt), 'new');
  } finally {
    mock.mock.restore();
    syncBuiltinESMExports();
  }
  assert.equal((await stat(file)).size, 40 + 17);
  assert.equal(first.add(id(3), expiresAt), 'new');
  assert.equal((await stat(file)).size, 40 * 2);
  first.close();
  const second = createSeenJobs(components, { file });
  assert.equal(second.add(id(1), expiresAt), 'seen');
  assert.equal(second.add(id(3), expiresAt), 'seen');
  second.close();
});

test('the journal of offers is replaced as a whole, so that a crash meanwhile loses none', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-seen-'));
  context.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'seen');
  const clock = movedClock();
  const components = { clock, logger: silentLogger };
  const first = createSeenJobs(components, { file });
  for (let job = 0; job < 1_024; job++) assert.equal(first.add(id(job), clock.now() + 1_000), 'new');
  const before = await open(file);
  context.after(() => before.close());
  clock.move(1_001);
  // The 1,025th record replaces the journal; what a crash before the end of that would leave is the old one.
  assert.equal(first.add(id(5_000), clock.now() + 1_000), 'new');
  assert.equal((await before.stat()).size, 40 * 1_024);
  assert.equal(first.add(id(5_001), clock.now() + 1_000), 'new');
  assert.equal((await stat(file)).size, 40 * 2);
  first.close();
  const second = createSeenJobs(components, { file });
  assert.equal(second.add(id(5_000), clock.now() + 1_000), 'seen');
  assert.equal(second.add(id(5_001), clock.now() + 1_000), 'seen');
  second.close();
});

test('the memory of offers is bounded on disk and refuses rather than forgets', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-seen-'));
  context.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'seen');
  const clock = movedClock();
  const seen = createSeenJobs({ clock, logger: silentLogger }, { file, max: 100 });
  for (let round = 0; round < 50; round++) {
    for (let job = 0; job < 100; job++) assert.equal(seen.add(id(round * 1_000 + job), clock.now() + 1_000), 'new');
    assert.equal(seen.add(id(999_999), clock.now() + 1_000), 'full');
    clock.move(1_001);
  }
  assert.ok((await stat(file)).size <= 40 * 1_200);
  seen.close();
});

test('finished jobs are kept within bounds: without room, no new job is admitted until some expire', () => {
  const clock = movedClock();
  const kept = createKeptJobs({ clock }, { maxBytes: 1 << 20 });
  let number = 0;
  while (!kept.full) kept.add(finishedJob(number++, clock));
  assert.ok(number > 1 && number < 100, `${number} jobs`);
  assert.equal(kept.find(new Uint8Array(32), fromHex(id(0)))?.jobId, id(0));
  clock.move(600_000);
  assert.equal(kept.full, false);
  assert.equal(kept.find(new Uint8Array(32), fromHex(id(0))), null);
});

test('a full memory forgets the oldest jobs that files hold, and no others', () => {
  const clock = movedClock();
  const kept = createKeptJobs({ clock }, { maxBytes: 1 << 20 });
  const paid = { verdict: () => undefined };
  const changes = [{ holds: 1 }, { holds: 0, paid }, { holds: 0 }, { holds: 0 }, { holds: 0 }];
  const jobs = changes.map((change, number) => finishedJob(number, clock, change));
  for (const job of jobs) kept.add(job);
  assert.equal(kept.full, false);
  const known = jobs.map(({ client, commit }) => kept.find(client, commit) !== null);
  assert.deepEqual(known, [true, true, false, true, true]);
  for (const job of jobs) job.holds++;
  kept.add(finishedJob(5, clock));
  assert.equal(kept.full, true);
});

test('a job beyond the room on disk is not written, until others expire', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-kept-'));
  context.after(() => rm(dir, { recursive: true }));
  const clock = movedClock();
  const init = { notes: join(dir, 'notes'), steps: join(dir, 'steps'), maxBytes: 100_000 };
  const create = (): KeptFiles => createKeptFiles({ clock, logger: silentLogger }, init);
  const write = (files: KeptFiles, number: number): Promise<boolean> => {
    const { jobId, client, commit, root, isScore, keepUntil } = finishedJob(number, clock);
    const opening = { jobId, client, commit, root, isScore, keepUntil, n: 1, count: 1, payment: null };
    return files.write(opening, () => new Uint8Array(30_000));
  };
  const first = create();
  assert.deepEqual([await write(first, 1), await write(first, 2), await write(first, 3)], [true, true, false]);
  const { client, commit } = finishedJob(3, clock);
  assert.equal(await first.read(client, commit), null);
  const second = create();
  await second.clean();
  assert.equal(await write(second, 4), false, 'what an earlier process wrote counts');
  clock.move(600_000);
  await second.clean();
  assert.equal(await write(second, 5), true);
});

test('every part of an offer that a kept job holds counts', () => {
  const long = 'x'.repeat(1 << 20);
  const small = { input: chat('hi'), extra: new Uint8Array(), promptTokens: [1], tokens: [2] };
  const large: Readonly<Record<string, object>> = {
    'an option': { ...small, input: { ...small.input, options: { unused: long } } },
    'the tools': { ...small, input: { ...small.input, tools: JSON.stringify([long]) } },
    'a message field': {
      ...small,
      input: { ...small.input, messages: [{ role: 'user', content: 'hi', reasoning_content: long }] },
    },
    'the settings': { ...small, extra: utf8(long) },
  };
  for (const [part, receipt] of Object.entries(large)) {
    const clock = movedClock();
    const kept = createKeptJobs({ clock }, { maxBytes: 8 << 20 });
    let number = 0;
    for (; !kept.full && number < 100; number++) kept.add(finishedJob(number, clock, { receipt: receipt as Receipt }));
    assert.ok(number <= 8, `${part}: ${number} jobs`);
  }
});

test('each peer has a burst and a rate of its own, and many peers cost bounded memory', () => {
  let now = 0;
  const limit = createRateLimit({ perSecond: 1, burst: 3, maxPeers: 2, monotonic: () => now });
  const [a, b, c] = ['a', 'b', 'c'] as PeerIdString[] as [PeerIdString, PeerIdString, PeerIdString];
  assert.deepEqual([limit.take(a), limit.take(a), limit.take(a), limit.take(a)], [true, true, true, false]);
  assert.equal(limit.take(b), true);
  assert.equal(limit.take(c), false);
  now += 1_000;
  assert.deepEqual([limit.take(a), limit.take(a)], [true, false]);
  assert.equal(limit.take(c), true, 'b has paused and is forgotten');
});

test('each peer’s offers have a share of the time, and failed ones count', () => {
  let [now, spent] = [0, 0];
  const limit = createTimeLimit({ share: 0.25, burstMs: 100, computed: () => spent, monotonic: () => now });
  const [a, b] = ['a', 'b'] as PeerIdString[] as [PeerIdString, PeerIdString];
  const refused = { name: 'OfferRefusal', code: 'busy' };
  const spend = (peer: PeerIdString, ms: number): number => limit.spend(peer, () => (spent += ms));
  assert.equal(spend(a, 10), 10);
  const fail = (): never => {
    spend(b, 0);
    spent += 990;
    throw new Error('a prompt that is refused');
  };
  assert.throws(() => limit.spend(a, fail), /a prompt that is refused/);
  assert.throws(() => spend(a, 0), refused);
  assert.equal(spend(b, 1), 1_001, 'others have their own');
  // 1,002 ms in all, of which all but 99 have to be waited for four times as long.
  now += 4 * (1_002 - 99) - 1;
  assert.throws(() => spend(a, 0), refused);
  now += 1;
  assert.equal(spend(a, 0), 1_001);
});
