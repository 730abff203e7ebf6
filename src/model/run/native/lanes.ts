import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { LaneCall, Lanes } from '../weights.ts';
import { copySequence, type NativeInternals } from './internals.ts';
import { createMaskedEvaluation } from './masked.ts';
import { controlledEvaluate, type NativeSequence } from './public-evaluate.ts';
import { firstCount } from './read-logits.ts';
import { topOf } from './top-logits.ts';

export interface LanesComponents {
  /** One per lane. */
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
  const evaluate = (call: LaneCall, topK: number): Promise<readonly TopLogits[]> => {
    const sequence = laneOf(call.lane);
    if (sequence.nextTokenIndex + call.tokens.length >= sequence.contextSize)
      throw new QvacError('E_CONTEXT', `the context of ${sequence.contextSize} tokens is full`);
    return call.allowedAt === undefined
      ? evaluatePlainly(sequence, call, topK, vocab)
      : masked.evaluate(sequence, call, topK);
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
        return await Promise.all(calls.map((call) => evaluate(call, topK)));
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

/** Without a grammar some more logits than needed are read; if a tie goes on behind them, the call is made again. */
async function evaluatePlainly(
  sequence: NativeSequence,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const start = sequence.nextTokenIndex;
  for (let count = firstCount(topK, vocab); ; count = vocab) {
    const tops = (await controlledEvaluate(sequence, call, count)).map((logits) => topOf(logits, topK, vocab));
    if (tops.every((top) => top !== null)) return tops;
    await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
  }
}
