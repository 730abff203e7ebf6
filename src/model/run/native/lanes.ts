import { QvacError } from '../../../errors.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import type { LaneCall, Lanes } from '../weights.ts';
import { copySequence, decodeReading, type NativeInternals, openReader } from './internals.ts';
import { firstCount, type ReadLogits, readTop } from './read-logits.ts';
import { allowedTopOf, fewTokens, type Logits, logitsOf, noLogits, topOf } from './top-logits.ts';

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
    if (call.allowedAt === undefined) return evaluatePlainly(sequence, call, topK, vocab);
    const internals = internalsOf(sequence);
    return internals === null
      ? evaluateReadingAll(sequence, call, topK, vocab)
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

/** Under a grammar, through the library's internals: each position is read until its allowed tokens are there. */
async function evaluateReading(
  internals: NativeInternals,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const reader = openReader(internals);
  const failures: unknown[] = [];
  const readOne = async (batchIndex: number, index: number): Promise<TopLogits> => {
    const read: ReadLogits = (count, forbidden) => reader.read(batchIndex, count, forbidden);
    // The library must not see a failure: it would lose count of the tokens that it has computed.
    try {
      if (failures.length === 0) return await readTop(read, topK, vocab, call.allowedAt?.(index) ?? null);
    } catch (error) {
      failures.push(error);
    }
    return noLogits;
  };
  let before: Promise<unknown> = Promise.resolve();
  try {
    const tops = await decodeReading(internals, call, (batchIndex, at) => {
      // One after another, as `allowedAt` promises.
      const reading = before.then(() => readOne(batchIndex, at - call.logitsFrom));
      before = reading;
      return reading;
    });
    if (failures.length > 0) throw failures[0];
    return tops;
  } finally {
    reader.dispose();
  }
}

/** Under a grammar, through the public interface: what is read is fixed before the call, so all logits are. */
async function evaluateReadingAll(
  sequence: NativeSequence,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const positions = await controlledEvaluate(sequence, call, vocab);
  return positions.map((logits, index) => {
    const allowed = call.allowedAt?.(index) ?? null;
    if (allowed === null) return topOf(logits, topK, vocab) ?? noLogits;
    const few = allowed.allowedUpTo(fewTokens);
    if (few.length === 0) return noLogits;
    if (few.length >= fewTokens) return allowedTopOf(logits, topK, vocab, allowed) ?? noLogits;
    return topOf(logitsOf(logits, few), topK, few.length) ?? noLogits;
  });
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

/** One engine call through the public interface: the largest `count` raw logits after each wanted token. */
async function controlledEvaluate(
  sequence: NativeSequence,
  { tokens, logitsFrom }: LaneCall,
  count: number,
): Promise<readonly Logits[]> {
  const options = {
    generateNext: { logits: true, options: { temperature: 1, topK: count, topP: 1, minP: 0, seed: 1 } },
  } as const;
  const output = await sequence.controlledEvaluate(
    tokens.map((token, at) => (at >= logitsFrom ? ([token, options] as const) : token)),
  );
  return output.slice(logitsFrom).map((item) => item?.next.logits ?? new Map<number, number>());
}
