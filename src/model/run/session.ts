import { QvacError } from '../../errors.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { EngineSession } from '../engine.ts';
import type { Rounds } from './rounds.ts';
import type { Lanes } from './weights.ts';

export interface SessionComponents {
  readonly lanes: Lanes;
  readonly rounds: Rounds;
  readonly lane: number;
  /** The class whose schedule this session keeps. */
  readonly exec: Exec;
  /** Tokens of prompt and answer together. */
  readonly context: number;
  /** Aborts where the engine is shut down. */
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
  context,
  shutdown,
  onRelease,
}: SessionComponents): EngineSession {
  const shared = exec.sequences > 1;
  const companion = exec.threads === 0;
  // The last token of an answer is never evaluated.
  const capacity = context - 1;
  let busy: Promise<unknown> = Promise.resolve();
  let released: Promise<void> | null = null;

  async function runCall(
    tokens: readonly number[],
    logitsFrom: number,
    topK: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TopLogits[]> {
    signal?.throwIfAborted();
    shutdown.throwIfAborted();
    const logits = await rounds.run({ call: { lane, tokens, logitsFrom }, topK, shared, companion });
    signal?.throwIfAborted();
    return logits;
  }

  /**
   * All of `tokens` from an empty history in blocks of the class's batch; logits after each token from `logitsFrom` on.
   */
  async function runBlocks(
    tokens: readonly number[],
    logitsFrom: number,
    topK: number,
    signal: AbortSignal | undefined,
  ): Promise<TopLogits[]> {
    if (tokens.length > capacity)
      throw new QvacError('E_CONTEXT', `${tokens.length} tokens exceed the context of ${context}`);
    if (lanes.length(lane) > 0) await lanes.erase(lane, 0);
    const logits: TopLogits[] = [];
    for (let at = 0; at < tokens.length; at += exec.batch) {
      const block = tokens.slice(at, at + exec.batch);
      logits.push(...(await runCall(block, Math.min(Math.max(logitsFrom - at, 0), block.length), topK, signal)));
    }
    return logits;
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
    prefill(prompt, topK, { signal } = {}) {
      return inTurn(async () => {
        const [logits] = await runBlocks(prompt, prompt.length - 1, topK, signal);
        if (logits === undefined) throw new QvacError('E_BAD_INPUT', 'the prompt is empty');
        return logits;
      });
    },
    decode(token, topK, { signal } = {}) {
      return inTurn(async () => {
        if (lanes.length(lane) >= capacity)
          throw new QvacError('E_CONTEXT', `the context of ${context} tokens is full`);
        const [logits] = await runCall([token], 0, topK, signal);
        if (logits === undefined) throw new QvacError('E_ENGINE', 'the engine gave no logits');
        return logits;
      });
    },
    replay(prompt, answer, topK, { signal } = {}) {
      return inTurn(async () => {
        if (prompt.length === 0) throw new QvacError('E_BAD_INPUT', 'the prompt is empty');
        if (answer.length === 0) return [];
        return await runBlocks([...prompt, ...answer.slice(0, -1)], prompt.length - 1, topK, signal);
      });
    },
    release,
  };
}
