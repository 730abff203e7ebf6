import assert from 'node:assert/strict';
import { test } from 'node:test';
import { raceSignal } from '../../src/lib/abort.ts';
import { createSharedRuns } from '../../src/lib/shared-runs.ts';

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
