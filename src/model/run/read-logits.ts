import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { TokenMask } from '../engine.ts';
import { allRead, idsOf, isAllowed, topOf } from './top-logits.ts';

/** The largest `count` raw logits of one position, by id; `forbidden` tokens, if named, are left out. */
export type ReadLogits = (count: number, forbidden: Uint32Array | null) => Promise<ReadonlyMap<number, number>>;

/** Logits that are read beyond those asked for. Each costs the engine time; ties are rare. */
const spareLogits = 4;
/** Logits that are read first under a mask: often enough of them are allowed. */
const maskedRead = 64;

/** How many logits of a position to read first. */
export function firstCount(topK: number, vocab: number, isMasked: boolean): number {
  return Math.min(vocab, isMasked ? Math.max(maskedRead, topK + spareLogits) : topK + spareLogits);
}

/**
 * The best `topK` allowed logits of a position, from the largest of all; null if those do not tell.
 * @throws QvacError E_ENGINE for no logits, or one that is not a number
 */
export function topAmong(
  logits: ReadonlyMap<number, number>,
  topK: number,
  vocab: number,
  mask: TokenMask | null,
): TopLogits | null {
  if (logits.size === 0) throw new QvacError('E_ENGINE', 'the engine gave no logits');
  return topOf(allowedOf(logits, mask), topK, logits.size < vocab ? least(logits) : allRead);
}

/**
 * The same for a position that can be read again: first the largest of all, then, if too few of them are allowed,
 * without the forbidden ones. The result does not depend on how much was read.
 */
export async function readTop(
  read: ReadLogits,
  topK: number,
  vocab: number,
  mask: TokenMask | null,
): Promise<TopLogits> {
  const found = topAmong(await read(firstCount(topK, vocab, mask !== null), null), topK, vocab, mask);
  if (found !== null) return found;
  const forbidden = mask === null ? null : idsOf(mask, vocab, false);
  const allowed = vocab - (forbidden?.length ?? 0);
  for (const count of [Math.min(allowed, topK + spareLogits), allowed]) {
    // Where too few are left, forbidden ones come with them.
    const logits = count === 0 ? new Map<number, number>() : allowedOf(await read(count, forbidden), mask);
    const top = topOf(logits, topK, logits.size < allowed ? least(logits) : allRead);
    if (top !== null) return top;
  }
  throw new QvacError('E_ENGINE', `the engine gave fewer logits than the ${allowed} allowed tokens`);
}

function allowedOf(logits: ReadonlyMap<number, number>, mask: TokenMask | null): ReadonlyMap<number, number> {
  return mask === null ? logits : new Map([...logits].filter(([id]) => isAllowed(mask, id)));
}

/** The least logit: one that was not read is not greater. */
function least(logits: ReadonlyMap<number, number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const logit of logits.values()) {
    if (Number.isNaN(logit)) return logit;
    least = Math.min(least, logit);
  }
  return least;
}
