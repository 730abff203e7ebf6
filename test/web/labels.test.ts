import assert from 'node:assert/strict';
import { test } from 'node:test';
import { safeName } from '../../src/web/labels.ts';

test('a stranger’s name is one fact of a line: it adds no separator, blank column or direction', () => {
  assert.equal(safeName('RTX · free\u00a0 • verified\u2028 \u202eexact'), 'RTX \u{fffd} free \u{fffd} verified exact');
  assert.equal(safeName(`\u2066${'W'.repeat(100)}\u2069`), `${'W'.repeat(59)}…`);
});
