import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { AllowedTokens } from '../../engine.ts';
import { allowedTopOf, fewTokens, type Logits, logitsOf, noLogits, topOf } from './top-logits.ts';

/** The largest `count` raw logits of one position; of the tokens `only`, ascending and so many, if they are named. */
export type ReadLogits = (count: number, only: readonly number[] | null) => Promise<Logits>;

/** Logits that are read beyond those asked for. Each costs the engine time; ties are rare. */
const spareLogits = 4;
/** Logits that are read first under a grammar, and how many times more if too few of them are allowed. */
const allowedRead = 64;
const readGrowth = 8;

/** How many logits of a position to read first, if all tokens are allowed. */
export function firstCount(topK: number, vocab: number): number {
  return Math.min(vocab, topK + spareLogits);
}

/**
 * The best `topK` logits of one position among the allowed tokens. If these are few, they are read alone; else the
 * largest of all are read first, and more if too few of them are allowed. The result does not depend on how much was
 * read.
 */
export async function readTop(
  read: ReadLogits,
  topK: number,
  vocab: number,
  allowed: AllowedTokens | null,
): Promise<TopLogits> {
  if (allowed === null)
    return (await readMore((logits) => topOf(logits, topK, vocab), read, firstCount(topK, vocab), vocab)) ?? noLogits;
  const least = allowed.allowedUpTo(topK);
  if (least.length < topK) return await readAlone(read, topK, least);
  const first = Math.min(vocab, Math.max(allowedRead, topK + spareLogits));
  const found = allowedTopOf(await read(first, null), topK, vocab, allowed);
  if (found !== null) return found;
  const few = allowed.allowedUpTo(fewTokens);
  if (few.length < fewTokens) return await readAlone(read, topK, few);
  const more = await readMore((logits) => allowedTopOf(logits, topK, vocab, allowed), read, first * readGrowth, vocab);
  return more ?? noLogits;
}

/** Reads more and more logits until they tell. */
async function readMore(
  choose: (logits: Logits) => TopLogits | null,
  read: ReadLogits,
  first: number,
  vocab: number,
): Promise<TopLogits | null> {
  for (let count = Math.min(first, vocab); ; count = Math.min(count * readGrowth, vocab)) {
    const found = choose(await read(count, null));
    if (found !== null || count >= vocab) return found;
  }
}

/** The logits of few tokens, whatever others have. */
async function readAlone(read: ReadLogits, topK: number, ids: readonly number[]): Promise<TopLogits> {
  if (ids.length === 0) return noLogits;
  const wanted = new Set(ids);
  const ascending = [...wanted].sort((a, b) => a - b);
  const logits = logitsOf(await read(wanted.size, ascending), wanted);
  if (logits.size < wanted.size)
    throw new QvacError('E_ENGINE', `the engine gave ${logits.size} logits of ${wanted.size} tokens`);
  return topOf(logits, topK, logits.size) ?? noLogits;
}
