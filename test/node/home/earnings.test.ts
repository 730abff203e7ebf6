import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createEarnings, earnedOn } from '../../../src/node/home/earnings.ts';
import { temporaryHome } from '../../support/home.ts';

const day = 86_400_000;
const start = Date.UTC(2026, 0, 1, 23, 59);

it('earnings are kept by day, across runs, for a month', async (context) => {
  const path = join(await temporaryHome(context), 'earnings.json');
  let now = start;
  const open = () => createEarnings({ clock: { ...systemClock, now: () => now }, logger: silentLogger }, path);
  assert.deepEqual(await earnedOn(path, now), { payments: 0, lamports: 0n });
  const first = open();
  await Promise.all([first.add(5n), first.add(2n ** 63n)]);
  await open().add(1n);
  assert.deepEqual(await earnedOn(path, now), { payments: 3, lamports: 2n ** 63n + 6n });
  now += 120_000;
  assert.deepEqual(await earnedOn(path, now), { payments: 0, lamports: 0n });
  for (let at = 0; at < 40; at++, now += day) await open().add(1n);
  assert.equal(Object.keys(JSON.parse(await readFile(path, 'utf8')) as object).length, 31);
  assert.deepEqual(
    [await earnedOn(path, start), await earnedOn(path, now - day)],
    [
      { payments: 0, lamports: 0n },
      { payments: 1, lamports: 1n },
    ],
  );
});

it('neither a damaged file nor a full disk stops the provider', async (context) => {
  const folder = await temporaryHome(context);
  const path = join(folder, 'earnings.json');
  for (const text of [
    '',
    'null',
    '[1]',
    '{"2026-01-01":{"payments":1,"lamports":"-1"},"x":1}',
    '{"2026-01-01":null}',
  ]) {
    await writeFile(path, text);
    assert.deepEqual(await earnedOn(path, start), { payments: 0, lamports: 0n }, text);
  }
  await createEarnings({ clock: { ...systemClock, now: () => start }, logger: silentLogger }, path).add(7n);
  assert.deepEqual(await earnedOn(path, start), { payments: 1, lamports: 7n });
  const warned: string[] = [];
  await createEarnings(
    { clock: systemClock, logger: { ...silentLogger, warn: (message) => warned.push(message) } },
    join(path, 'below-a-file'),
  ).add(1n);
  assert.deepEqual(warned, ['a payment is missing in the earnings']);
});
