import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { LaneCall, Lanes } from '../weights.ts';
import { createEvaluation } from './evaluation.ts';
import { copySequence, type NativeInternals } from './internals.ts';
import { type NativeCall, nativeCalls, nativeTokens } from './native-call.ts';
import type { NativeSequence } from './public-evaluate.ts';

export interface LanesComponents {
  /**
   * One per lane, in the order of the library's numbers, of a context that takes the parts of an engine call as
   * `byLane` says.
   */
  readonly sequences: readonly NativeSequence[];
  readonly vocab: number;
  /** How to read logits again without another computation; null if this release of the library does not let us. */
  internalsOf(sequence: NativeSequence): NativeInternals | null;
  dispose(): Promise<void>;
}

export function createLanes({ sequences, vocab, internalsOf, dispose }: LanesComponents): Lanes {
  const evaluation = createEvaluation({ vocab, internalsOf });
  const laneOf = (lane: number): NativeSequence => {
    const sequence = sequences[lane];
    if (sequence === undefined) throw new RangeError(`expected a lane below ${sequences.length}, got ${lane}`);
    return sequence;
  };
  const evaluate = async (call: NativeCall, topK: number): Promise<readonly TopLogits[]> => {
    const sequence = laneOf(call.lane);
    const end = sequence.nextTokenIndex + call.tokens.length;
    if (sequence.nextTokenIndex + nativeTokens(call).length >= sequence.contextSize)
      throw new QvacError('E_CONTEXT', `the context of ${sequence.contextSize} tokens is full`);
    const tops = await evaluation.evaluate(sequence, call, topK);
    if (sequence.nextTokenIndex > end)
      await sequence.eraseContextTokenRanges([{ start: end, end: sequence.nextTokenIndex }]);
    return tops;
  };
  /** Before the call and not within it: what is evaluated together decides the bits. */
  const prepare = async (calls: readonly LaneCall[]): Promise<void> => {
    for (const call of calls)
      await evaluation.prepare(sequences.find((each) => each.nextTokenIndex === 0) ?? laneOf(call.lane), call);
  };
  return {
    evaluate: (calls, topK) =>
      inTurn(async () => {
        await prepare(calls);
        return await Promise.all(nativeCalls(calls).map((call) => evaluate(call, topK)));
      }),
    length: (lane) => laneOf(lane).nextTokenIndex,
    async erase(lane, from) {
      const sequence = laneOf(lane);
      if (from === 0) await sequence.clearHistory();
      else if (from < sequence.nextTokenIndex)
        await sequence.eraseContextTokenRanges([{ start: from, end: sequence.nextTokenIndex }]);
    },
    copy: (from, to, length) =>
      inTurn(async () => {
        const target = laneOf(to);
        if ((await copySequence(laneOf(from), target, length)) && target.nextTokenIndex === length) return true;
        await target.clearHistory();
        return false;
      }),
    async dispose() {
      evaluation.dispose();
      await dispose();
    },
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
