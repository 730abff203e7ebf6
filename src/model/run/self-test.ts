import type { AbortOptions } from '../../lib/types.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { Schedule, SelfTestResult } from '../engine.ts';
import { smallerBatches } from './exec-classes.ts';
import type { Lanes, Weights } from './weights.ts';

/** Below this history a difference between numbers of threads does not show (protocol section 2). */
const minHistory = 513;
/** Tokens of the answer whose logits are compared, and how many of them lie behind the first block. */
const answerTokens = 14;
const tokensBehind = 4;
const shortTokens = 12;
const topK = 20;
/** Busy neighbours beyond this number teach nothing new. */
const maxLanes = 8;

export interface SelfTestComponents {
  readonly weights: Weights;
  readonly vocab: number;
  /** Threads that this engine's own calls use. */
  readonly threads: number;
  /** True if this engine gives tokens companions. */
  readonly companions: boolean;
  readonly cores: number;
}

/**
 * Finds the class that this machine establishes for itself. With several threads it is the one of `threads` 0 where a
 * companion makes the bits independent of their number; with several sequences the one of a single sequence if
 * neighbours in a call change the bits; if `exec.batch` is not exact and `batchIsFree`, a smaller one.
 * @param exec the class with the true number of threads
 */
export async function testOwnClass(
  components: SelfTestComponents,
  exec: Exec,
  batchIsFree: boolean,
  options: AbortOptions = {},
): Promise<SelfTestResult> {
  const asked = [...new Set([exec.sequences, 1])].flatMap((sequences) => [
    ...(components.threads > 1 ? [{ ...exec, sequences, threads: 0 }] : []),
    { ...exec, sequences },
  ]);
  for (const candidate of asked) {
    const first = await testClass(components, candidate, options);
    if (first === null) continue;
    if (first.includes('prefill') || !batchIsFree) return { exec: candidate, sameBits: first };
    for (const batch of smallerBatches) {
      if (batch >= exec.batch) continue;
      const smaller = { ...candidate, batch };
      const sameBits = await testClass(components, smaller, options);
      if (sameBits?.includes('prefill') === true) return { exec: smaller, sameBits };
    }
    return { exec: candidate, sameBits: first };
  }
  return { exec, sameBits: [] };
}

/**
 * The schedules by which this engine gives the bits of class `exec`, or null if the class itself does not hold here:
 * its own schedule gives different bits with other threads or neighbours.
 */
export async function testClass(
  components: SelfTestComponents,
  exec: Exec,
  { signal }: AbortOptions = {},
): Promise<readonly Schedule[] | null> {
  const { threads, companions, cores } = components;
  if (exec.threads === 0 && !components.weights.isLastErasable) return null;
  const ofClass: Mode = { companion: exec.threads === 0, neighbours: 0 };
  const ofEngine: Mode = { companion: ofClass.companion && companions, neighbours: 0 };
  const busy: Mode = { companion: false, neighbours: Math.min(exec.sequences, maxLanes) - 1 };
  const references = new Set(exec.threads === 0 ? [threads, 1, Math.min(2, cores)] : [exec.threads]);
  const expected: Bits[] = [];
  let own: Recorded | null = null;
  for (const count of new Set([threads, ...references])) {
    const modes = [
      ...(count === threads ? [ofEngine] : []),
      ...(references.has(count) ? (exec.sequences > 1 ? [ofClass, busy] : [ofClass]) : []),
    ];
    const recorded = await recordAt(components, exec, count, modes, count === threads, signal);
    if (references.has(count)) expected.push(...recorded.alone.slice(count === threads ? 1 : 0));
    if (count === threads) own = recorded;
    if (expected.some((bits) => !bits.equals(expected[0] ?? bits))) return null;
  }
  const [reference] = expected;
  if (own === null || reference === undefined) return null;
  const found: Schedule[] = [];
  if (own.alone[0]?.equals(reference) === true) found.push('alone');
  if (own.prefill?.equals(reference) === true) found.push('prefill');
  return found;
}

/** How an answer's tokens are put into calls. */
interface Mode {
  readonly companion: boolean;
  readonly neighbours: number;
}

interface Recorded {
  /** By mode. */
  readonly alone: readonly Bits[];
  readonly prefill: Bits | null;
}

async function recordAt(
  { weights, vocab }: SelfTestComponents,
  exec: Exec,
  threads: number,
  modes: readonly Mode[],
  withPrefill: boolean,
  signal: AbortSignal | undefined,
): Promise<Recorded> {
  const { batch, promptBatch } = exec;
  const history = historyFor(promptBatch, batch);
  const count = Math.min(exec.sequences, maxLanes);
  const lanes = await weights.openLanes(
    {
      lanes: count,
      threads,
      batch: Math.max(batch, promptBatch, count),
      context: history.whole + 64,
      flash: exec.flash,
    },
    { signal },
  );
  try {
    const tokens = testTokens(vocab, history.whole);
    const alone = modes.map(() => new Bits());
    const prefill = withPrefill ? new Bits() : null;
    const neighbours = Array.from({ length: Math.max(...modes.map((mode) => mode.neighbours)) }, (_, at) => at + 1);
    for (const lane of neighbours) await runBlocks(lanes, lane, tokens.slice(0, lane * 5), tokens.length, null, signal);
    // A history beyond the length where numbers of threads begin to differ, with short ones beside it; then a short
    // one, with that long one beside it.
    for (const { prompt, head, whole } of [history, { prompt: 0, head: 0, whole: shortTokens }]) {
      if (head === 0 && neighbours.length > 0) await lanes.copy(0, 1, history.head);
      await lanes.erase(0, 0);
      await runBlocks(lanes, 0, tokens.slice(0, prompt), promptBatch, null, signal);
      await runBlocks(lanes, 0, tokens.slice(prompt, head), batch, null, signal);
      for (const [at, mode] of modes.entries()) {
        await lanes.erase(0, head);
        await runSteps(lanes, tokens.slice(head, whole), mode, alone[at], signal);
      }
      if (prefill === null) continue;
      await lanes.erase(0, prompt);
      const wanted = { bits: prefill, from: head - prompt };
      await runBlocks(lanes, 0, tokens.slice(prompt, whole), batch, wanted, signal);
    }
    return { alone, prefill };
  } finally {
    await lanes.dispose();
  }
}

/** The tokens one per call in lane 0, logits after each; with a companion behind or neighbours beside them. */
async function runSteps(
  lanes: Lanes,
  tokens: readonly number[],
  { companion, neighbours }: Mode,
  bits: Bits | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const others = Array.from({ length: neighbours }, (_, at) => ({ lane: at + 1, tokens: [1], logitsFrom: 1 }));
  for (const token of tokens) {
    signal?.throwIfAborted();
    const [logits] = await lanes.evaluate([{ lane: 0, tokens: [token], logitsFrom: 0, companion }, ...others], topK);
    bits?.add(logits ?? []);
  }
}

/** The tokens in blocks; if `wanted` is given, logits after each token from its index on. */
async function runBlocks(
  lanes: Lanes,
  lane: number,
  tokens: readonly number[],
  batch: number,
  wanted: { readonly bits: Bits; readonly from: number } | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let at = 0; at < tokens.length; at += batch) {
    signal?.throwIfAborted();
    const block = tokens.slice(at, at + batch);
    const logitsFrom = wanted === null ? block.length : Math.min(Math.max(wanted.from - at, 0), block.length);
    const [logits] = await lanes.evaluate([{ lane, tokens: block, logitsFrom }], topK);
    wanted?.bits.add(logits ?? []);
  }
}

interface History {
  /** Where the prompt ends. */
  readonly prompt: number;
  /** Where the tokens begin that are put in one by one, and their logits compared. */
  readonly head: number;
  readonly whole: number;
}

/**
 * A prompt beyond `minHistory` whose last block is open, and an answer that fills a whole block and goes on behind it.
 * Only the end of that block is compared: one token per call for all of it would cost minutes on a large model.
 */
function historyFor(promptBatch: number, batch: number): History {
  const prompt = Math.ceil(minHistory / promptBatch) * promptBatch + Math.max(1, Math.min(promptBatch - 10, 53));
  const head = prompt + Math.max(0, batch - answerTokens + tokensBehind);
  return { prompt, head, whole: head + answerTokens };
}

/** The same tokens every time: a linear congruential sequence over the vocabulary. */
function testTokens(vocab: number, count: number): number[] {
  let state = 12345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % vocab;
  });
}

/** Logits, comparable bit by bit. */
class Bits {
  readonly #parts: Buffer[] = [];

  add(logits: readonly TopLogits[]): void {
    for (const { ids, logits: values } of logits) {
      // Ids that tie come in any order.
      const order = [...ids.keys()].sort((a, b) => (ids[a] ?? 0) - (ids[b] ?? 0));
      this.#parts.push(
        Buffer.from(Uint32Array.from(order, (at) => ids[at] ?? 0).buffer),
        Buffer.from(Float32Array.from(order, (at) => values[at] ?? 0).buffer),
      );
    }
  }

  equals(other: Bits): boolean {
    return Buffer.concat(this.#parts).equals(Buffer.concat(other.#parts));
  }
}
