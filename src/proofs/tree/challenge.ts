import { concat, readU64, u32 } from '../../lib/bytes.ts';
import { sha256, tag } from '../../protocol/digests.ts';

const challengeTag = tag('qvac/chal/1');
const auditTag = tag('qvac/audit/1');

/** Probabilities are whole numbers of these: exact on every machine. */
const unit = 1_000_000;

/**
 * Section 4.3: the steps that `secret` challenges, ascending: the first, the last, and others that neither side could
 * choose, `min(count, n)` in all.
 * @param root of the final head
 * @param count at most 256
 */
export function challengePositions(root: Uint8Array, secret: Uint8Array, n: number, count: number): readonly number[] {
  if (n === 0) return [];
  const chosen = new Set([0, n - 1]);
  const wanted = Math.min(count, n);
  for (let t = 0; chosen.size < wanted; t++) {
    chosen.add(Number(readU64(sha256(concat(challengeTag, root, secret, u32(t)))) % BigInt(n)));
  }
  return [...chosen].sort((a, b) => a - b);
}

/**
 * Section 4.3: whether an optimistic answer is audited. Root and secret decide, of which neither side could choose
 * both.
 * @param root of the final head
 * @param rate probability, 0 … 1, rounded to millionths
 */
export function isDrawnForAudit(root: Uint8Array, secret: Uint8Array, rate: number): boolean {
  const draw = readU64(sha256(concat(auditTag, root, secret)));
  return draw * BigInt(unit) < BigInt(Math.round(rate * unit)) << 64n;
}
