import assert from 'node:assert/strict';
import { test } from 'node:test';
import { raceSignal } from '../../src/lib/abort.ts';
import { createSharedOpening, createSharedRuns } from '../../src/lib/shared-runs.ts';

const never = new Promise<never>(() => undefined);

test('calls under one name share a run, and a later one begins anew', async () => {
  const share = createSharedRuns<number>();
  let runs = 0;
  const run = async (): Promise<number> => ++runs;
  assert.deepEqual(await Promise.all([share('a', run), share('a', run), share('b', run)]), [1, 1, 2]);
  assert.equal(await share('a', run), 3);
});

test('a failure is shared, and the next call tries again', async () => {
  const share = createSharedRuns<number>();
  const failing = async (): Promise<number> => {
    throw new Error('broken');
  };
  const [one, two] = await Promise.allSettled([share('a', failing), share('a', failing)]);
  assert.deepEqual([one.status, two.status], ['rejected', 'rejected']);
  assert.equal(await share('a', async () => 7), 7);
});

test('a caller that stops ends its own run, which another caller begins anew', async () => {
  const share = createSharedRuns<string>();
  const [first, second] = [new AbortController(), new AbortController()];
  const stopped = share('a', () => raceSignal(never, first.signal), first);
  const other = share('a', async () => 'anew', second);
  first.abort(new Error('gone'));
  await assert.rejects(stopped, /gone/);
  assert.equal(await other, 'anew');
});

test('a caller that stops leaves a run that another one began', async () => {
  const share = createSharedRuns<string>();
  const work = Promise.withResolvers<string>();
  const leaving = new AbortController();
  const first = share('a', () => work.promise);
  const second = share('a', async () => 'of its own', leaving);
  leaving.abort(new Error('gone'));
  await assert.rejects(second, /gone/);
  work.resolve('whole');
  assert.equal(await first, 'whole');
});

test('what all callers share is opened once, anew after a failure or a caller that stopped', async () => {
  let opened = 0;
  const works = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const open = createSharedOpening(async ({ signal }) => {
    const number = opened++;
    await raceSignal(works[number]?.promise ?? never, signal);
    return { number };
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const stopped = open(first);
  const others = Promise.allSettled([open(second), open()]);
  first.abort(new Error('gone'));
  await assert.rejects(stopped, /gone/);
  works[1]?.reject(new Error('broken'));
  for (const { status } of await others) assert.equal(status, 'rejected');
  works[2]?.resolve();
  const found = await open(second);
  assert.equal(found.number, 2);
  second.abort(new Error('gone too'));
  assert.deepEqual(await Promise.all([open(), open(second)]), [found, found]);
  assert.equal(opened, 3);
});
