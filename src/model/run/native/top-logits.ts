import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { AllowedTokens } from '../../engine.ts';

/** Raw logits of one position by id. */
export type Logits = ReadonlyMap<number, number>;

/** Fewer allowed tokens than these are listed; of more, some are among the first logits in nearly every step. */
export const fewTokens = 256;

/**
 * The `topK` best of the largest logits of a position, with all that tie with the last of them; null if logits that
 * were not read may belong to them.
 * @param vocab tokens there are: with fewer logits, some were not read, none of them greater than the least
 * @throws QvacError E_ENGINE for no logits, or one that is not a number (protocol section 4.1, item 1)
 */
export function topOf(logits: Logits, topK: number, vocab: number): TopLogits | null {
  const falling = fallingLogits(logits);
  const last = falling[Math.min(topK, falling.length) - 1]?.[1];
  const isWhole = logits.size >= vocab;
  if (last === undefined || (!isWhole && (falling.length < topK || last <= leastOf(falling)))) return null;
  return topLogits(falling.filter(([, logit]) => logit >= last));
}

/** The same among the allowed tokens, which are asked for in the order of falling logits. */
export function allowedTopOf(logits: Logits, topK: number, vocab: number, allowed: AllowedTokens): TopLogits | null {
  const falling = fallingLogits(logits);
  const isWhole = logits.size >= vocab;
  const least = leastOf(falling);
  const found: (readonly [number, number])[] = [];
  for (const entry of falling) {
    const last = found[topK - 1]?.[1];
    if (last !== undefined && entry[1] < last) return topLogits(found);
    if (!isWhole && entry[1] <= least && found.length < topK) return null;
    if (allowed.allows(entry[0])) found.push(entry);
  }
  const last = found[topK - 1]?.[1];
  return isWhole || (last !== undefined && last > least) ? topLogits(found) : null;
}

/** The logits of `ids` alone. */
export function logitsOf(logits: Logits, ids: Iterable<number>): Logits {
  const some = new Map<number, number>();
  for (const id of ids) {
    const logit = logits.get(id);
    if (logit !== undefined) some.set(id, logit);
  }
  return some;
}

/** No token is allowed. */
export const noLogits: TopLogits = { ids: new Uint32Array(0), logits: new Float32Array(0) };

function fallingLogits(logits: Logits): readonly (readonly [number, number])[] {
  const entries = [...logits];
  if (entries.length === 0) throw new QvacError('E_ENGINE', 'the engine gave no logits');
  if (entries.some(([, logit]) => Number.isNaN(logit)))
    throw new QvacError('E_ENGINE', 'the model gave a logit that is not a number', {
      hint: 'the model file may be damaged',
    });
  // A difference would be NaN for two infinities.
  return entries.sort(([, a], [, b]) => (a === b ? 0 : a < b ? 1 : -1));
}

function leastOf(falling: readonly (readonly [number, number])[]): number {
  return falling.at(-1)?.[1] ?? Number.NEGATIVE_INFINITY;
}

function topLogits(entries: readonly (readonly [number, number])[]): TopLogits {
  return { ids: Uint32Array.from(entries, ([id]) => id), logits: Float32Array.from(entries, ([, logit]) => logit) };
}
