import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { LaneCall, Lanes } from '../weights.ts';
import { copySequence, type NativeInternals } from './internals.ts';
import { createMaskedEvaluation } from './masked.ts';
import { type NativeCall, nativeCalls, nativeTokens } from './native-call.ts';
import { controlledEvaluate, type NativeSequence } from './public-evaluate.ts';
import { firstCount } from './read-logits.ts';
import { noLogits, topOf } from './top-logits.ts';

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
  const masked = createMaskedEvaluation({ vocab, internalsOf });
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
    const tops =
      call.allowedAt === undefined
        ? await evaluatePlainly(sequence, call, topK, vocab)
        : await masked.evaluate(sequence, call, topK);
    if (sequence.nextTokenIndex > end)
      await sequence.eraseContextTokenRanges([{ start: end, end: sequence.nextTokenIndex }]);
    return tops;
  };
  /** Before the call and not within it: what is evaluated together decides the bits. */
  const prepare = async (calls: readonly LaneCall[]): Promise<void> => {
    const call = calls.find(({ allowedAt }) => allowedAt !== undefined);
    if (call === undefined) return;
    await masked.prepare(sequences.find((each) => each.nextTokenIndex === 0) ?? laneOf(call.lane), call.tokens[0] ?? 0);
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
      masked.dispose();
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

/**
 * Without a grammar some more logits than needed are read; if a tie goes on behind them, the call is made again, now
 * without other lanes beside it.
 */
async function evaluatePlainly(
  sequence: NativeSequence,
  call: NativeCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const start = sequence.nextTokenIndex;
  const evaluate = async (made: NativeCall, count: number): Promise<readonly (TopLogits | null)[]> =>
    (await controlledEvaluate(sequence, made, count)).map((logits) => topOf(logits, topK, vocab));
  const tops = await evaluate(call, firstCount(topK, vocab));
  if (tops.every((top) => top !== null)) return tops;
  await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
  const [alone = call] = nativeCalls([call]);
  return (await evaluate(alone, vocab)).map((top) => top ?? noLogits);
}
