import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { PeerIdString } from '../../../src/lib/types.ts';
import { createRunFiles, type RunEntry } from '../../../src/node/home/run-files.ts';
import { temporaryHome } from '../../support/home.ts';

const entry: Omit<RunEntry, 'pid'> = {
  role: 'provider',
  peer: '12D3KooW' as PeerIdString,
  addrs: ['/ip4/127.0.0.1/tcp/4001'],
  network: 'test',
  models: [],
  startedAt: 5,
};

it('a run is listed while its process runs, and removed by that process alone', async (context) => {
  const dir = join(await temporaryHome(context), 'run');
  const runs = createRunFiles(dir);
  assert.deepEqual(await runs.list(), []);
  await runs.write(entry);
  await runs.write({ ...entry, models: ['a'], startedAt: 6 });
  await runs.write({ ...entry, role: 'router' });
  assert.deepEqual(await runs.list(), [
    { ...entry, models: ['a'], startedAt: 6, pid: process.pid },
    { ...entry, role: 'router', pid: process.pid },
  ]);
  const path = join(dir, 'provider.json');
  const written = await readFile(path, 'utf8');
  // Another process of the same id, earlier: its file is neither listed nor ours to remove.
  await writeFile(path, written.replace(/"started":"\d+"/, '"started":"1"'));
  if (process.platform === 'linux') assert.deepEqual((await runs.list()).length, 1);
  await runs.remove('provider');
  if (process.platform === 'linux') assert.match(await readFile(path, 'utf8'), /"started":"1"/);
  await runs.remove('router');
  assert.equal(
    (await runs.list()).some(({ role }) => role === 'router'),
    false,
  );
});

it('a file that is damaged is skipped, and replaced by the next run', async (context) => {
  const dir = join(await temporaryHome(context), 'run');
  const runs = createRunFiles(dir);
  await runs.write(entry);
  const path = join(dir, 'provider.json');
  const whole = JSON.parse(await readFile(path, 'utf8')) as object;
  for (const change of [
    { pid: 0 },
    { pid: '1' },
    { role: 'client' },
    { addrs: [1] },
    { models: null },
    { started: 5 },
  ]) {
    await writeFile(path, JSON.stringify({ ...whole, ...change }));
    assert.deepEqual(await runs.list(), [], JSON.stringify(change));
  }
  await writeFile(path, '{');
  assert.deepEqual(await runs.list(), []);
  await runs.remove('provider');
  await runs.write(entry);
  assert.equal((await runs.list()).length, 1);
});
