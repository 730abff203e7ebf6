import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { TokenMask } from '../engine.ts';
import { decodeReading, type NativeInternals, openReader } from './native-reader.ts';
import { firstCount, readTop, topAmong } from './read-logits.ts';
import type { LaneCall, Lanes } from './weights.ts';

/** What is used of the library's context sequence. */
export interface NativeSequence {
  readonly nextTokenIndex: number;
  readonly contextSize: number;
  controlledEvaluate(
    input: readonly (number | readonly [number, object])[],
  ): Promise<readonly ({ readonly next: { readonly logits?: ReadonlyMap<number, number> } } | undefined)[]>;
  clearHistory(): Promise<void>;
  eraseContextTokenRanges(ranges: readonly { readonly start: number; readonly end: number }[]): Promise<void>;
}

export interface LanesComponents {
  /** One per lane. */
  readonly sequences: readonly NativeSequence[];
  readonly vocab: number;
  /** How to read logits again without another computation; null if this release of the library does not let us. */
  internalsOf(sequence: NativeSequence): NativeInternals | null;
  dispose(): Promise<void>;
}

export function createLanes({ sequences, vocab, internalsOf, dispose }: LanesComponents): Lanes {
  const laneOf = (lane: number): NativeSequence => {
    const sequence = sequences[lane];
    if (sequence === undefined) throw new RangeError(`expected a lane below ${sequences.length}, got ${lane}`);
    return sequence;
  };
  const evaluate = (call: LaneCall, topK: number): Promise<readonly TopLogits[]> => {
    const sequence = laneOf(call.lane);
    if (sequence.nextTokenIndex + call.tokens.length >= sequence.contextSize)
      throw new QvacError('E_CONTEXT', `the context of ${sequence.contextSize} tokens is full`);
    const internals = isMasked(call) ? internalsOf(sequence) : null;
    return internals === null
      ? evaluatePublicly(sequence, call, topK, vocab)
      : evaluateReading(internals, call, topK, vocab);
  };
  return {
    evaluate: (calls, topK) => inTurn(() => Promise.all(calls.map((call) => evaluate(call, topK)))),
    length: (lane) => laneOf(lane).nextTokenIndex,
    async erase(lane, from) {
      const sequence = laneOf(lane);
      if (from === 0) await sequence.clearHistory();
      else if (from < sequence.nextTokenIndex)
        await sequence.eraseContextTokenRanges([{ start: from, end: sequence.nextTokenIndex }]);
    },
    dispose,
  };
}

let lastCall: Promise<unknown> = Promise.resolve();

/**
 * One call at a time in the whole process: two at once would fight for the same cores, and spinning threads lose far
 * more than half.
 */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = lastCall.then(work);
  lastCall = turn.catch(() => undefined);
  return turn;
}

function isMasked({ allowed }: LaneCall): boolean {
  return allowed?.some((mask) => mask !== null) === true;
}

function maskAt({ allowed, logitsFrom }: LaneCall, at: number): TokenMask | null {
  return allowed?.[at - logitsFrom] ?? null;
}

/** Through the library's internals: each position is read until the allowed tokens are there. */
async function evaluateReading(
  internals: NativeInternals,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const reader = openReader(internals);
  try {
    return await decodeReading(internals, call, (batchIndex, at) =>
      readTop((count, forbidden) => reader.read(batchIndex, count, forbidden), topK, vocab, maskAt(call, at)),
    );
  } finally {
    reader.dispose();
  }
}

/** Through the public interface: what was read is fixed before the call, so that too little costs another call. */
async function evaluatePublicly(
  sequence: NativeSequence,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const start = sequence.nextTokenIndex;
  for (let most = firstCount(topK, vocab, isMasked(call)); ; most = vocab) {
    const options = {
      generateNext: { logits: true, options: { temperature: 1, topK: most, topP: 1, minP: 0, seed: 1 } },
    } as const;
    const output = await sequence.controlledEvaluate(
      call.tokens.map((token, at) => (at >= call.logitsFrom ? ([token, options] as const) : token)),
    );
    const tops = output.slice(call.logitsFrom).map((item, index) => {
      const logits = item?.next.logits ?? new Map<number, number>();
      return topAmong(logits, topK, vocab, maskAt(call, call.logitsFrom + index));
    });
    if (tops.every((top) => top !== null)) return tops;
    await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
  }
}
