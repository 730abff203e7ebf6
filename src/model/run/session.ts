import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { AllowedTokens, EngineSession } from '../engine.ts';
import type { Rounds } from './rounds.ts';
import type { LaneCall, Lanes } from './weights.ts';

export interface SessionComponents {
  readonly lanes: Lanes;
  readonly rounds: Rounds;
  readonly lane: number;
  /** The class whose schedule this session keeps. */
  readonly exec: Exec;
  /** True if blocks of the class's `batch` give the bits of one token per call. */
  readonly blocksAreExact: boolean;
  /** Tokens of prompt and answer together. */
  readonly context: number;
  /** True if its calls give way to those of other sessions. */
  readonly background: boolean;
  /** Aborts when the engine is shut down. */
  readonly shutdown: AbortSignal;
  /** Called once, when the lane is empty and no work of this session is under way. */
  onRelease(): Promise<void>;
}

/** One job's way through the engine: who may share its calls and when it needs a companion follow from its class. */
export function createSession({
  lanes,
  rounds,
  lane,
  exec,
  blocksAreExact,
  context,
  background,
  shutdown,
  onRelease,
}: SessionComponents): EngineSession {
  const shared = exec.sequences > 1;
  const companion = exec.threads === 0;
  // The last token of an answer is never evaluated.
  const capacity = context - 1;
  let busy: Promise<unknown> = Promise.resolve();
  let released: Promise<void> | null = null;

  async function runCall(call: Omit<LaneCall, 'lane'>, run: Run): Promise<readonly TopLogits[]> {
    run.signal?.throwIfAborted();
    shutdown.throwIfAborted();
    const logits = await rounds.run({ call: { lane, ...call }, topK: run.topK, shared, companion, background });
    run.signal?.throwIfAborted();
    return logits;
  }

  /** The tokens in blocks of `size`; logits after each from `logitsFrom` on. */
  async function runBlocks(
    tokens: readonly number[],
    size: number,
    logitsFrom: number,
    run: Run,
  ): Promise<readonly TopLogits[]> {
    const logits: TopLogits[] = [];
    for (let at = 0; at < tokens.length; at += size) {
      const block = tokens.slice(at, at + size);
      const from = Math.min(Math.max(logitsFrom - at, 0), block.length);
      const { allowedAt } = run;
      const before = at + from - logitsFrom;
      const restricted = allowedAt === null ? {} : { allowedAt: (index: number) => allowedAt(before + index) };
      logits.push(...(await runCall({ tokens: block, logitsFrom: from, ...restricted }, run)));
    }
    return logits;
  }

  /** Empties the lane for a job of that many tokens. */
  async function begin(length: number): Promise<void> {
    if (length > capacity) throw new QvacError('E_CONTEXT', `${length} tokens exceed the context of ${context}`);
    if (lanes.length(lane) > 0) await lanes.erase(lane, 0);
  }

  /** Logits after the prompt and after all but the last token of `answer`. */
  async function runAll(
    rendering: readonly number[],
    answer: readonly number[],
    size: number,
    run: Run,
  ): Promise<readonly TopLogits[]> {
    if (rendering.length === 0) throw new QvacError('E_BAD_INPUT', 'the prompt is empty');
    if (answer.length === 0) return [];
    const behind = answer.slice(0, -1);
    await begin(rendering.length + behind.length);
    const first = await runBlocks(rendering, exec.promptBatch, rendering.length - 1, run);
    const { allowedAt } = run;
    const later: Run = { ...run, allowedAt: allowedAt && ((at) => allowedAt(at + 1)) };
    return [...first, ...(await runBlocks(behind, size, 0, later))];
  }

  /** Keeps calls of one session apart, and off a lane that was given back. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (released !== null) return Promise.reject(new QvacError('E_BUG', 'the engine session was released'));
    const turn = busy.then(work);
    busy = turn.catch(() => undefined);
    return turn;
  }

  function release(): Promise<void> {
    shutdown.removeEventListener('abort', release);
    released ??= busy.then(() => lanes.erase(lane, 0)).then(onRelease, onRelease);
    return released;
  }
  // An engine that shuts down does not wait for who forgot to release.
  shutdown.addEventListener('abort', release, { once: true });

  return {
    prefill(rendering, topK, { signal, allowed = null, continuation = [] } = {}) {
      return inTurn(async () => {
        if (rendering.length === 0) throw new QvacError('E_BAD_INPUT', 'the prompt is empty');
        const run: Run = { topK, signal, allowedAt: allowed && (() => allowed) };
        await begin(rendering.length + continuation.length);
        const wanted = continuation.length === 0 ? rendering.length - 1 : rendering.length;
        const [first] = await runBlocks(rendering, exec.promptBatch, wanted, run);
        const size = blocksAreExact ? exec.batch : 1;
        const [last] = await runBlocks(continuation, size, continuation.length - 1, run);
        const logits = last ?? first;
        if (logits === undefined) throw new QvacError('E_ENGINE', 'the engine gave no logits');
        return logits;
      });
    },
    decode(token, topK, { signal, allowed = null } = {}) {
      return inTurn(async () => {
        if (lanes.length(lane) >= capacity)
          throw new QvacError('E_CONTEXT', `the context of ${context} tokens is full`);
        const run: Run = { topK, signal, allowedAt: allowed && (() => allowed) };
        const [logits] = await runBlocks([token], 1, 0, run);
        if (logits === undefined) throw new QvacError('E_ENGINE', 'the engine gave no logits');
        return logits;
      });
    },
    replay(rendering, answer, topK, { signal, schedule = 'prefill', allowedAt = null } = {}) {
      const size = schedule === 'prefill' ? exec.batch : 1;
      return inTurn(() => runAll(rendering, answer, size, { topK, signal, allowedAt }));
    },
    release,
  };
}

/** What is asked for in all calls of one computation. */
interface Run {
  readonly topK: number;
  readonly signal: AbortSignal | undefined;
  /** Which tokens may come at the `at`-th position whose logits are wanted; null: all, at every position. */
  readonly allowedAt: ((at: number) => AllowedTokens | null) | null;
}
