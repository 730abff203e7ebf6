import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';

/**
 * The `topK` best of `logits` with all that tie with the last of them, or null where the tie may go on beyond what was
 * read (`complete` says that nothing lies beyond).
 * @throws QvacError E_ENGINE where a logit is no number, or none came (protocol section 4.1, item 1)
 */
export function topOf(logits: ReadonlyMap<number, number>, topK: number, complete: boolean): TopLogits | null {
  const entries = [...logits];
  if (entries.length === 0 || entries.some(([, logit]) => Number.isNaN(logit)))
    throw new QvacError('E_ENGINE', 'the model gave a logit that is no number', {
      hint: 'the model file may be damaged',
    });
  entries.sort(([, a], [, b]) => b - a);
  const last = entries[Math.min(topK, entries.length) - 1]?.[1] ?? 0;
  const kept = entries.filter(([, logit]) => logit >= last);
  if (!complete && (kept.length === entries.length || entries.length < topK)) return null;
  return { ids: Uint32Array.from(kept, ([id]) => id), logits: Float32Array.from(kept, ([, logit]) => logit) };
}
