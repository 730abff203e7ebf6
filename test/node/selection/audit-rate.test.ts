import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../src/lib/bytes.ts';
import { auditRateOf } from '../../../src/node/selection/audit-rate.ts';
import { isDrawnForAudit } from '../../../src/proofs/tree/challenge.ts';
import { sha256 } from '../../../src/protocol/digests.ts';

const rateAt = (verifiedLamports: number, priceLamports: bigint, usable = true): number =>
  auditRateOf({ usable, verifiedLamports }, priceLamports, 0.05);

test('the audit rate falls from 1 with what a provider earned with checked answers, to the least rate', () => {
  assert.equal(rateAt(0, 1_000n), 1);
  assert.equal(rateAt(1_000, 1_000n), 1);
  assert.equal(rateAt(2_000, 1_000n), 0.5);
  assert.equal(rateAt(10_000, 1_000n), 0.1);
  assert.equal(rateAt(1_000_000, 1_000n), 0.05);
  assert.equal(rateAt(1_000_000, 1_000n, false), 1);
});

test('a dear answer is audited more often than the record of cheap ones allows for', () => {
  assert.equal(rateAt(10_000, 100_000n), 1);
  assert.equal(rateAt(10_000, 5_000n), 0.5);
});

test('free answers build a record, too', () => {
  assert.equal(rateAt(1, 0n), 1);
  assert.equal(rateAt(4, 0n), 0.25);
});

test('audits are drawn from root and secret, as often as the rate says', () => {
  const digests = Array.from({ length: 20_000 }, (_, at) => sha256(utf8(`answer ${at}`)));
  const secret = new Uint8Array(32).fill(7);
  const drawn = (rate: number): number => digests.filter((root) => isDrawnForAudit(root, secret, rate)).length;
  assert.deepEqual([drawn(0), drawn(1)], [0, 20_000]);
  assert.ok(Math.abs(drawn(0.05) - 1_000) < 100, `${drawn(0.05)}`);
  // Whoever knows the root alone knows nothing of the draw.
  const [root = secret] = digests;
  const bySecret = digests.filter((each) => isDrawnForAudit(root, each, 0.05)).length;
  assert.ok(Math.abs(bySecret - 1_000) < 100, `${bySecret}`);
});
