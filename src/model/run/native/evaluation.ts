import type { TopLogits } from '../../../proofs/logits.ts';
import type { AllowedTokens } from '../../engine.ts';
import type { LaneCall } from '../weights.ts';
import { decodeReading, type NativeInternals, openReader, type Reader } from './internals.ts';
import { type NativeCall, nativeCalls } from './native-call.ts';
import { controlledEvaluate, type NativeSequence } from './public-evaluate.ts';
import { firstCount, type ReadLogits, readTop } from './read-logits.ts';
import { allowedTopOf, fewTokens, logitsOf, noLogits, topOf } from './top-logits.ts';

/** How the parts of an engine call are computed and their logits read. */
export interface Evaluation {
  /**
   * Finds out, before the first call of its kind, whether the library's internals give what its public interface gives;
   * if not, they are not used. Leaves the sequence as it was.
   */
  prepare(sequence: NativeSequence, call: LaneCall): Promise<void>;
  evaluate(sequence: NativeSequence, call: NativeCall, topK: number): Promise<readonly TopLogits[]>;
  dispose(): void;
}

export interface EvaluationInit {
  readonly vocab: number;
  /** How to read logits without a new sampler for each call; null if this release of the library does not let us. */
  internalsOf(sequence: NativeSequence): NativeInternals | null;
}

/** What is compared: calls without and with a grammar, whose masks allow so many tokens, evenly spread. */
const triedMasks = { plain: [null], masked: [7, 300] } as const;
type Kind = keyof typeof triedMasks;
const triedTopK = 20;

export function createEvaluation({ vocab, internalsOf }: EvaluationInit): Evaluation {
  const isFaithful = new Map<Kind, boolean>();
  const readers = new Map<NativeSequence, OpenInternals>();

  function openOf(sequence: NativeSequence): OpenInternals | null {
    const known = readers.get(sequence);
    if (known !== undefined) return known;
    const internals = internalsOf(sequence);
    if (internals === null) return null;
    const open = { internals, reader: openReader(internals) };
    readers.set(sequence, open);
    return open;
  }

  async function compare(sequence: NativeSequence, token: number, kind: Kind): Promise<boolean> {
    const open = openOf(sequence);
    if (open === null) return false;
    const start = sequence.nextTokenIndex;
    for (const count of triedMasks[kind]) {
      const mask = count === null ? null : everyNth(count, vocab);
      const restricted = mask === null ? {} : { allowedAt: () => mask };
      const call: NativeCall = { lane: 0, tokens: [token], logitsFrom: 0, hasCompanion: false, ...restricted };
      const [expected = noLogits] = await evaluatePublicly(sequence, call, triedTopK, vocab);
      await backTo(sequence, start);
      const [read = noLogits] = await evaluateReading(open, call, triedTopK, vocab);
      await backTo(sequence, start);
      if (!isSameTop(expected, read)) return false;
    }
    return true;
  }

  return {
    async prepare(sequence, call) {
      const kind = kindOf(call);
      const start = sequence.nextTokenIndex;
      if (isFaithful.has(kind) || start + 2 >= sequence.contextSize) return;
      // Internals of another shape may fail in any way; what they leave behind is dropped.
      isFaithful.set(kind, await compare(sequence, call.tokens[0] ?? 0, kind).catch(() => false));
      await backTo(sequence, start);
    },
    evaluate(sequence, call, topK) {
      const open = isFaithful.get(kindOf(call)) === true ? openOf(sequence) : null;
      return open === null ? evaluatePublicly(sequence, call, topK, vocab) : evaluateReading(open, call, topK, vocab);
    },
    dispose() {
      for (const { reader } of readers.values()) reader.dispose();
      readers.clear();
    },
  };
}

interface OpenInternals {
  readonly internals: NativeInternals;
  readonly reader: Reader;
}

function kindOf(call: LaneCall): Kind {
  return call.allowedAt === undefined ? 'plain' : 'masked';
}

async function backTo(sequence: NativeSequence, start: number): Promise<void> {
  if (start === 0) await sequence.clearHistory();
  else if (sequence.nextTokenIndex > start)
    await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
}

function everyNth(count: number, vocab: number): AllowedTokens {
  const step = Math.max(1, Math.floor(vocab / count));
  const ids = Array.from({ length: Math.ceil(vocab / step) }, (_, at) => at * step);
  return { allows: (token) => token % step === 0, allowedUpTo: (most) => ids.slice(0, most) };
}

/** Bit for bit. */
function isSameTop(a: TopLogits, b: TopLogits): boolean {
  const places = new Map([...a.ids].map((id, at) => [id, a.logits[at]] as const));
  return (
    a.ids.length === b.ids.length &&
    [...b.ids].every((id, at) => places.has(id) && Object.is(places.get(id), b.logits[at]))
  );
}

/** Through the library's internals: each position is read until the tokens that may come are there. */
async function evaluateReading(
  { internals, reader }: OpenInternals,
  call: NativeCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
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
  const tops = await decodeReading(internals, call, (batchIndex, at) => {
    // One after another, as `allowedAt` promises.
    const reading = before.then(() => readOne(batchIndex, at - call.logitsFrom));
    before = reading;
    return reading;
  });
  if (failures.length > 0) throw failures[0];
  return tops;
}

function evaluatePublicly(
  sequence: NativeSequence,
  call: NativeCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  return call.allowedAt === undefined
    ? evaluateReadingSome(sequence, call, topK, vocab)
    : evaluateReadingAll(sequence, call, topK, vocab);
}

/**
 * Without a grammar, through the public interface: some more logits than needed are read; if a tie goes on behind them,
 * the call is made again, now without other lanes beside it.
 */
async function evaluateReadingSome(
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
  await backTo(sequence, start);
  const [alone = call] = nativeCalls([call]);
  return (await evaluate(alone, vocab)).map((top) => top ?? noLogits);
}

/** Under a grammar, through the public interface: what is read is fixed before the call, so all logits are. */
async function evaluateReadingAll(
  sequence: NativeSequence,
  call: NativeCall,
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
