import { concat, readU64, u32 } from '../../lib/bytes.ts';
import { sha256, tag } from '../../protocol/digests.ts';

const challengeTag = tag('qvac/chal/1');

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
