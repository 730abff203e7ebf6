import assert from 'node:assert/strict';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { silentLogger } from '../../../src/lib/log.ts';
import type { JobId } from '../../../src/lib/types.ts';
import { createJournal, type Journal } from '../../../src/node/home/journal.ts';
import { temporaryHome } from '../../support/home.ts';

const idOf = (byte: number): JobId => byte.toString(16).padStart(2, '0').repeat(32) as JobId;

function numbers(dir: string, warned: string[] = []): Journal<number> {
  const form = {
    toJson: (value: number) => ({ value }),
    parse: (json: unknown) =>
      typeof json === 'object' && json !== null && 'value' in json && typeof json.value === 'number'
        ? json.value
        : null,
  };
  return createJournal(dir, form, { ...silentLogger, warn: (message) => void warned.push(message) });
}

it('a journal returns the last state of each entry to any process', async (context) => {
  const dir = join(await temporaryHome(context), 'payments');
  const journal = numbers(dir);
  assert.deepEqual(await journal.read(), new Map());
  await journal.write(idOf(1), 10);
  await journal.write(idOf(2), 20);
  await journal.write(idOf(1), 11);
  assert.deepEqual(
    await numbers(dir).read(),
    new Map([
      [idOf(1), 11],
      [idOf(2), 20],
    ]),
  );
  await journal.remove(idOf(1));
  await journal.remove(idOf(1));
  assert.deepEqual(await journal.read(), new Map([[idOf(2), 20]]));
});

it('the newest of entries written at once stays', async (context) => {
  const dir = await temporaryHome(context);
  const journal = numbers(dir);
  const entries = Array.from({ length: 32 }, (_, value) => value);
  await Promise.all(entries.map((value) => journal.write(idOf(1), value)));
  assert.deepEqual(await journal.read(), new Map([[idOf(1), 31]]));
  await Promise.all([journal.write(idOf(1), 32), journal.remove(idOf(1))]);
  assert.deepEqual(await journal.read(), new Map());
});

it('a damaged entry is logged and kept, and hides no other', async (context) => {
  const dir = await temporaryHome(context);
  const warned: string[] = [];
  const journal = numbers(dir, warned);
  await journal.write(idOf(1), 1);
  await writeFile(join(dir, `${idOf(2)}.json`), '{"value":');
  await writeFile(join(dir, `${idOf(3)}.json`), '{"value":"three"}');
  await writeFile(join(dir, 'notes.json'), '{"value":4}');
  assert.deepEqual(await journal.read(), new Map([[idOf(1), 1]]));
  assert.deepEqual(warned, ['the note of a payment cannot be used', 'the note of a payment cannot be used']);
  assert.equal(await readFile(join(dir, `${idOf(2)}.json`), 'utf8'), '{"value":');
  assert.equal((await readdir(dir)).length, 4);
});

it('an unreadable folder is an error, since entries would be missed', async (context) => {
  const dir = join(await temporaryHome(context), 'circle');
  await symlink(dir, dir);
  await assert.rejects(numbers(dir).read(), { code: 'E_HOME', message: `cannot read ${dir} (ELOOP)` });
});
