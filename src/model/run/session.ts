import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { AllowedTokens, EngineSession, PrefillOptions } from '../engine.ts';
import type { LaneLease, LanePool } from './lane-pool.ts';
import { createPromptLookup, type PromptLookup } from './prompt-lookup.ts';
import type { Rounds } from './rounds.ts';
import type { LaneCall, Lanes } from './weights.ts';

export interface SessionComponents {
  readonly lanes: Lanes;
  readonly rounds: Rounds;
  readonly pool: LanePool;
  /** The client whose prompts may be gone on with, and for whom this one is kept; null: nobody. */
  readonly owner: string | null;
  /** The class whose schedule this session keeps. */
  readonly exec: Exec;
  /** True if a token alone in a computation has to be given a companion (protocol section 2). */
  readonly companions: boolean;
  /** True if blocks of the class's `batch` give the bits of one token per call. */
  readonly blocksAreExact: boolean;
  /** True if one token per call gives the bits of a prompt block, so that a later prompt may go on from an answer. */
  readonly isAnswerKeepable: boolean;
  /** Tokens of prompt and answer together. */
  readonly context: number;
  /** True if its calls give way to those of other sessions. @default false */
  readonly background?: boolean | undefined;
  /** Aborts when the engine is shut down. */
  readonly shutdown: AbortSignal;
  /** Called once, when the lane is given back and no work of this session is under way. */
  onRelease(): Promise<void>;
}

/** One job's way through the engine: who may share its calls follows from its class. */
export function createSession({
  lanes,
  rounds,
  pool,
  owner,
  exec,
  companions,
  blocksAreExact,
  isAnswerKeepable,
  context,
  background,
  shutdown,
  onRelease,
}: SessionComponents): EngineSession {
  const shared = exec.sequences > 1;
  // The last token of an answer is never evaluated.
  const capacity = context - 1;
  let busy: Promise<unknown> = Promise.resolve();
  let released: Promise<void> | null = null;
  let lease: LaneLease | null = null;
  let reused = 0;
  /** Null: nothing is guessed. */
  let lookup: PromptLookup | null = null;
  /** Guessed tokens that are in the history already, with the logits after each. */
  let ahead: readonly Guessed[] = [];
  let rightGuesses = 0;
  /** First tokens of the lane's history, as far as they have the bits of prompt blocks. */
  let keepable: number[] = [];
  /** False after a call whose tokens were not counted: what follows is not at its place then. */
  let isCounting = true;

  async function runCall(call: Omit<LaneCall, 'lane' | 'companion'>, run: Run): Promise<readonly TopLogits[]> {
    run.signal?.throwIfAborted();
    shutdown.throwIfAborted();
    if (lease === null) throw new QvacError('E_BUG', 'the session has no prompt yet');
    const evaluated = rounds.run({
      call: { lane: lease.lane, companion: companions, ...call },
      topK: run.topK,
      shared,
      background,
    });
    const logits = await evaluated.catch((error: unknown) => {
      // What a failed call left in the history is not known.
      keepable = [];
      isCounting = false;
      throw error;
    });
    isCounting &&= run.signal?.aborted !== true;
    run.signal?.throwIfAborted();
    return logits;
  }

  /** Tokens that were computed as the next ones of the history, with the bits of prompt blocks. */
  function count(tokens: readonly number[]): void {
    if (isCounting) keepable.push(...tokens);
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

  /**
   * Finds a lane for a job of that many tokens.
   * @returns the number of prompt tokens that its history holds already
   */
  async function begin(prompt: readonly number[], length: number, client: string | null): Promise<number> {
    if (prompt.length === 0) throw new QvacError('E_BAD_INPUT', 'the prompt is empty');
    if (length > capacity) throw new QvacError('E_CONTEXT', `${length} tokens exceed the context of ${context}`);
    keepable = [];
    isCounting = true;
    ahead = [];
    if (lease !== null) {
      await lanes.erase(lease.lane, 0);
      return 0;
    }
    lease = await pool.take({ owner: client, exec, prompt });
    keepable = prompt.slice(0, lease.reused);
    return lease.reused;
  }

  /** The prompt's blocks, from its token `from` on; logits after the last one, if wanted. */
  async function runPrompt(
    prompt: readonly number[],
    from: number,
    wantsLogits: boolean,
    run: Run,
  ): Promise<TopLogits | undefined> {
    let last: TopLogits | undefined;
    for (let at = from; at < prompt.length; at += exec.promptBatch) {
      const block = prompt.slice(at, at + exec.promptBatch);
      const isLast = at + block.length === prompt.length;
      [last] = await runBlocks(block, block.length, isLast && wantsLogits ? block.length - 1 : block.length, run);
      if (block.length === exec.promptBatch || isAnswerKeepable) count(block);
      if (!isLast) run.onProgress?.(at + block.length);
    }
    return last;
  }

  /** Logits after the prompt and after all but the last token of `answer`. */
  async function runAll(
    rendering: readonly number[],
    answer: readonly number[],
    size: number,
    run: Run,
  ): Promise<readonly TopLogits[]> {
    if (answer.length === 0) return [];
    const behind = answer.slice(0, -1);
    // A re-execution neither goes on from what another job computed, nor does any job go on from it.
    await begin(rendering, rendering.length + behind.length, null);
    const first = await runPrompt(rendering, 0, true, run);
    const { allowedAt } = run;
    const later: Run = { ...run, allowedAt: allowedAt && ((at) => allowedAt(at + 1)) };
    return [...(first === undefined ? [] : [first]), ...(await runBlocks(behind, size, 0, later))];
  }

  /** What may follow `token`, so that one call computes it too. */
  function guessBehind(token: number, guesses: PromptLookup, lane: number): readonly number[] {
    guesses.add(token);
    return guesses.guess(Math.min(exec.batch - 1, capacity - lanes.length(lane) - 1));
  }

  /** Logits after `token` if it was guessed for the same question; a wrong guess leaves the history. */
  async function takeAhead(token: number, run: Run): Promise<TopLogits | null> {
    const [next, ...rest] = ahead;
    if (next === undefined || lookup === null || lease === null) return null;
    const isAsked = next.topK === run.topK && run.allowedAt === null;
    if (next.token === token && next.logits !== undefined && isAsked) {
      ahead = rest;
      rightGuesses++;
      lookup.add(token);
      if (isAnswerKeepable) count([token]);
      if (rest.length === 0) judgeGuess();
      return next.logits;
    }
    await lanes.erase(lease.lane, lanes.length(lease.lane) - ahead.length);
    ahead = [];
    judgeGuess();
    return null;
  }

  function judgeGuess(): void {
    lookup?.judge(rightGuesses);
    rightGuesses = 0;
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
    released ??= busy.then(() => lease?.giveBack(keepable)).then(onRelease, onRelease);
    return released;
  }
  // An engine that shuts down does not wait for who forgot to release.
  shutdown.addEventListener('abort', release, { once: true });

  return {
    get savings() {
      return { reused, guessed: lookup?.guessed ?? 0, accepted: (lookup?.accepted ?? 0) + rightGuesses };
    },
    prefill(rendering, topK, { signal, allowed = null, continuation = [], guesses = false, onProgress } = {}) {
      return inTurn(async () => {
        const run: Run = { topK, signal, allowedAt: allowed && (() => allowed) };
        lookup =
          guesses && blocksAreExact && allowed === null ? createPromptLookup([...rendering, ...continuation]) : null;
        reused = await begin(rendering, rendering.length + continuation.length, owner);
        const first = await runPrompt(rendering, reused, continuation.length === 0, { ...run, onProgress });
        const size = blocksAreExact ? exec.batch : 1;
        const [last] = await runBlocks(continuation, size, continuation.length - 1, run);
        if (isAnswerKeepable) count(continuation);
        const logits = last ?? first;
        if (logits === undefined) throw new QvacError('E_ENGINE', 'the engine gave no logits');
        return logits;
      });
    },
    decode(token, topK, { signal, allowed = null } = {}) {
      return inTurn(async () => {
        const run: Run = { topK, signal, allowedAt: allowed && (() => allowed) };
        const known = await takeAhead(token, run);
        if (known !== null) return known;
        if (lease !== null && lanes.length(lease.lane) >= capacity)
          throw new QvacError('E_CONTEXT', `the context of ${context} tokens is full`);
        const guess =
          lookup === null || lease === null || allowed !== null ? [] : guessBehind(token, lookup, lease.lane);
        const [logits, ...later] = await runBlocks([token, ...guess], 1 + guess.length, 0, run);
        ahead = guess.map((guessed, at) => ({ token: guessed, topK, logits: later[at] }));
        if (isAnswerKeepable) count([token]);
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

/** A token that was computed on a guess. */
interface Guessed {
  readonly token: number;
  readonly topK: number;
  readonly logits: TopLogits | undefined;
}

/** What is asked for in all calls of one computation. */
interface Run {
  readonly topK: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: PrefillOptions['onProgress'];
  /** Which tokens may come at the `at`-th position whose logits are wanted; null: all, at every position. */
  readonly allowedAt: ((at: number) => AllowedTokens | null) | null;
}
