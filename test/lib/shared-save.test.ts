import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSharedSave } from '../../src/lib/shared-save.ts';

/** A save that a test ends by hand. */
function heldSaves() {
  const saves: { readonly state: number; readonly end: PromiseWithResolvers<void> }[] = [];
  const now = { state: 0 };
  const save = createSharedSave(() => {
    const end = Promise.withResolvers<void>();
    saves.push({ state: now.state, end });
    return end.promise;
  });
  return { saves, now, save };
}

test('changes that come during a save share the next one, which has all of them', async () => {
  const { saves, now, save } = heldSaves();
  const calls = [1, 2, 3].map((state) => {
    now.state = state;
    return save();
  });
  assert.deepEqual(
    saves.map(({ state }) => state),
    [1],
  );
  saves[0]?.end.resolve();
  await calls[0];
  await new Promise(setImmediate);
  assert.deepEqual(
    saves.map(({ state }) => state),
    [1, 3],
  );
  saves[1]?.end.resolve();
  await Promise.all(calls);
  now.state = 4;
  const last = save();
  saves[2]?.end.resolve();
  await last;
  assert.deepEqual(
    saves.map(({ state }) => state),
    [1, 3, 4],
  );
});

test('a save that fails rejects those who wait for it, and no other', async () => {
  const { saves, save } = heldSaves();
  const [first, second] = [save(), save()];
  saves[0]?.end.reject(new Error('disk full'));
  await assert.rejects(first, /disk full/);
  await new Promise(setImmediate);
  saves[1]?.end.resolve();
  await second;
});
