import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, equalBytes } from '../../src/lib/bytes.ts';

test('equalBytes agrees with memcmp', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), (a, b) => {
      assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      assert.equal(equalBytes(a, Uint8Array.from(a)), true);
    }),
    { seed: 1 },
  );
});

test('equalBytes detects a changed byte at any position, and an extra one at the end', () => {
  for (let at = 0; at < 40; at++) {
    const bytes = new Uint8Array(40);
    const changed = new Uint8Array(40);
    changed[at] = 1;
    assert.equal(equalBytes(bytes, changed), false, `byte ${at}`);
  }
  assert.equal(equalBytes(new Uint8Array(40), concat(new Uint8Array(40), Uint8Array.of(0))), false);
});
