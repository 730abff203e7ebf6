import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Objections } from '../../src/web/objections.ts';

test('an objection that is declined while the page looks whether it still makes sense is not raised once more', {
  timeout: 30_000,
}, async () => {
  const objections = new Objections();
  const looking = Promise.withResolvers<void>();
  const isOpen = Promise.withResolvers<boolean>();
  let objected = 0;
  objections.raise({
    subject: 'job',
    until: Date.now() + 600_000,
    object: async () => void objected++,
    isOpen() {
      looking.resolve();
      return isOpen.promise;
    },
  });
  await looking.promise;
  objections.decline('job');
  isOpen.resolve(true);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  assert.equal(objected, 1);
});
