import type { TopLogits } from '../logits.ts';
import type { GrammarMatcher } from './grammar-matcher.ts';

/** With fewer allowed tokens all of them are taken; with more, the largest logits are tried one after another. */
const fewTokens = 256;

/**
 * The `count` largest logits among the allowed tokens, or all of them if there are fewer; ties to the lower id.
 * @param logits of the whole vocabulary, by id
 * @throws RangeError for a NaN
 * @throws GrammarTooCostly
 */
export function allowedTop(logits: Float32Array, matcher: GrammarMatcher, count: number): TopLogits {
  if (logits.some(Number.isNaN)) throw new RangeError('"logits" expected numbers, got a NaN');
  const limit = Math.max(fewTokens, count + 1);
  const few = matcher.allowedUpTo(limit);
  return few.length < limit ? topOf(logits, few, count) : largestAllowed(logits, matcher, count);
}

function largestAllowed(logits: Float32Array, matcher: GrammarMatcher, count: number): TopLogits {
  const known = new Map<number, boolean>();
  const isAllowed = (id: number): boolean => {
    let allowed = known.get(id);
    if (allowed === undefined) known.set(id, (allowed = matcher.allows(id)));
    return allowed;
  };
  for (let tried = 8 * count; ; tried *= 8) {
    const ids = largestIds(logits, tried).filter(isAllowed);
    if (ids.length >= count || tried >= logits.length) return topOf(logits, ids, count);
  }
}

function topOf(logits: Float32Array, ids: readonly number[], count: number): TopLogits {
  const top = [...ids].sort(byLogit(logits)).slice(0, count);
  return { ids: Uint32Array.from(top), logits: Float32Array.from(top, (id) => logits[id] ?? Number.NaN) };
}

/** The ids of the `count` largest logits, in no promised order; ties to the lower id. One pass with a heap of them. */
function largestIds(logits: Float32Array, count: number): readonly number[] {
  const heap: number[] = [];
  const compare = byLogit(logits);
  for (let id = 0; id < logits.length; id++) {
    if (heap.length < count) {
      heap.push(id);
      if (heap.length === count) for (let at = count >> 1; at >= 0; at--) sink(heap, at, compare);
    } else if ((logits[id] ?? 0) > (logits[heap[0] ?? 0] ?? 0)) {
      // Ids ascend: one that ties with the last of the heap comes after it.
      heap[0] = id;
      sink(heap, 0, compare);
    }
  }
  return heap;
}

/** Moves the id at `at` down until none below it comes after it. */
function sink(heap: number[], start: number, compare: (a: number, b: number) => number): void {
  const id = heap[start] ?? 0;
  let at = start;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && compare(heap[child + 1] ?? 0, heap[child] ?? 0) > 0) child++;
    if (compare(heap[child] ?? 0, id) <= 0) break;
    heap[at] = heap[child] ?? 0;
    at = child;
  }
  heap[at] = id;
}

/** Negative if `a` comes before `b` in the order of falling logits, ties to the lower id. */
function byLogit(logits: Float32Array): (a: number, b: number) => number {
  return (a, b) => {
    const [one, other] = [logits[a] ?? 0, logits[b] ?? 0];
    // A difference would be NaN for two infinities.
    return one === other ? a - b : one < other ? 1 : -1;
  };
}
