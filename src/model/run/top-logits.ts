import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { TokenMask } from '../engine.ts';

/** Nothing was left unread. */
export const allRead = Number.NEGATIVE_INFINITY;

/**
 * The `topK` best of `logits` with all that tie with the last of them, or null if what was not read may belong to them.
 * @param unread the largest logit that a token may have that was not read
 * @throws QvacError E_ENGINE for a logit that is not a number (protocol section 4.1, item 1)
 */
export function topOf(logits: ReadonlyMap<number, number>, topK: number, unread: number): TopLogits | null {
  const entries = [...logits];
  if (entries.some(([, logit]) => Number.isNaN(logit)) || Number.isNaN(unread)) throw notANumber();
  // A difference would be NaN for two infinities.
  entries.sort(([, a], [, b]) => (a === b ? 0 : a < b ? 1 : -1));
  const last = entries[Math.min(topK, entries.length) - 1]?.[1] ?? allRead;
  if (unread !== allRead && (entries.length < topK || last <= unread)) return null;
  const kept = entries.filter(([, logit]) => logit >= last);
  return { ids: Uint32Array.from(kept, ([id]) => id), logits: Float32Array.from(kept, ([, logit]) => logit) };
}

function notANumber(): QvacError {
  return new QvacError('E_ENGINE', 'the model gave a logit that is not a number', {
    hint: 'the model file may be damaged',
  });
}

export function isAllowed(mask: TokenMask, id: number): boolean {
  return (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

/** The ids below `vocab` that the mask has, or has not, ascending. */
export function idsOf(mask: TokenMask, vocab: number, allowed: boolean): Uint32Array {
  const ids = new Uint32Array(vocab);
  let count = 0;
  for (let id = 0; id < vocab; id++) if (isAllowed(mask, id) === allowed) ids[count++] = id;
  return ids.subarray(0, count);
}
