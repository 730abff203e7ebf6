import type { TopLogits } from '../../../proofs/logits.ts';
import type { AllowedTokens } from '../../engine.ts';
import { decodeReading, type NativeInternals, openReader, type Reader } from './internals.ts';
import type { NativeCall } from './native-call.ts';
import { controlledEvaluate, type NativeSequence } from './public-evaluate.ts';
import { type ReadLogits, readTop } from './read-logits.ts';
import { allowedTopOf, fewTokens, logitsOf, noLogits, topOf } from './top-logits.ts';

/** Engine calls under a grammar: what may follow restricts which logits are read. */
export interface MaskedEvaluation {
  /**
   * Finds out, before the first call under a grammar, whether the library's internals give what its public interface
   * gives; if not, they are not used. Leaves the sequence as it was.
   */
  prepare(sequence: NativeSequence, token: number): Promise<void>;
  evaluate(sequence: NativeSequence, call: NativeCall, topK: number): Promise<readonly TopLogits[]>;
  dispose(): void;
}

export interface MaskedComponents {
  readonly vocab: number;
  /** How to read logits again without another computation; null if this release of the library does not let us. */
  internalsOf(sequence: NativeSequence): NativeInternals | null;
}

/** Masks that the comparison tries: so many tokens of a vocabulary, evenly spread. */
const triedMasks = [7, 300];
const triedTopK = 20;

export function createMaskedEvaluation({ vocab, internalsOf }: MaskedComponents): MaskedEvaluation {
  let isFaithful: boolean | null = null;
  const reader = openReader(vocab);

  async function compare(sequence: NativeSequence, token: number): Promise<boolean> {
    const internals = internalsOf(sequence);
    if (internals === null) return false;
    const start = sequence.nextTokenIndex;
    const evaluated = async (evaluate: (call: NativeCall) => Promise<readonly TopLogits[]>, mask: AllowedTokens) => {
      const call = { lane: 0, tokens: [token], logitsFrom: 0, allowedAt: () => mask, hasCompanion: false };
      const [top = noLogits] = await evaluate(call);
      await backTo(sequence, start);
      return top;
    };
    for (const mask of triedMasks.map((count) => everyNth(count, vocab))) {
      const expected = await evaluated((call) => evaluateReadingAll(sequence, call, triedTopK, vocab), mask);
      const read = await evaluated((call) => evaluateReading({ internals, reader }, call, triedTopK, vocab), mask);
      if (!isSameTop(expected, read)) return false;
    }
    return true;
  }

  return {
    async prepare(sequence, token) {
      const start = sequence.nextTokenIndex;
      if (isFaithful !== null || start + 2 >= sequence.contextSize) return;
      // Internals of another shape may fail in any way; what they leave behind is dropped.
      isFaithful = await compare(sequence, token).catch(() => false);
      await backTo(sequence, start);
    },
    evaluate(sequence, call, topK) {
      const internals = isFaithful === true ? internalsOf(sequence) : null;
      return internals === null
        ? evaluateReadingAll(sequence, call, topK, vocab)
        : evaluateReading({ internals, reader }, call, topK, vocab);
    },
    dispose: () => reader.dispose(),
  };
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

/** Under a grammar, through the library's internals: each position is read until its allowed tokens are there. */
async function evaluateReading(
  { internals, reader }: { readonly internals: NativeInternals; readonly reader: Reader },
  call: NativeCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const failures: unknown[] = [];
  const readOne = async (batchIndex: number, index: number): Promise<TopLogits> => {
    const read: ReadLogits = (count, only) => reader.read(internals, batchIndex, count, only);
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
