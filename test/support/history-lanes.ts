import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { LaneCall, Lanes } from '../../src/model/run/weights.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';

export interface HistoryLanes extends Lanes {
  /** Tokens of each call so far, in order. */
  readonly calls: number[];
  /** Lanes that were copied, as `from>to:length`. */
  readonly copies: string[];
  /** The tokens in a lane's history. */
  tokensOf(lane: number): readonly number[];
  /** Makes the next call fail after it has changed the history. */
  failNext(): void;
}

export interface HistoryLanesInit {
  readonly lanes: number;
  readonly context: number;
  /** @default true */
  readonly canCopy?: boolean | undefined;
  /** Calls of at most so many tokens give the bits of one token per call. @default 1 */
  readonly exactUpTo?: number | undefined;
}

/** One evaluated token and the size of its call, as far as that changes bits. */
interface Entry {
  readonly token: number;
  readonly block: number;
}

/**
 * Lanes whose logits are a digest of the history and of how it was put into calls: a token that was computed in another
 * block, at another position or for another prompt gives other bits.
 */
export function createHistoryLanes({ lanes, context, canCopy = true, exactUpTo = 1 }: HistoryLanesInit): HistoryLanes {
  const histories: Entry[][] = Array.from({ length: lanes }, () => []);
  const calls: number[] = [];
  const copies: string[] = [];
  let failing = false;
  const historyOf = (lane: number): Entry[] => histories[lane] ?? assert.fail(`there is no lane ${lane}`);

  function evaluateOne({ lane, tokens, logitsFrom }: LaneCall): TopLogits[] {
    const history = historyOf(lane);
    const block = tokens.length <= exactUpTo ? 1 : tokens.length;
    return tokens.flatMap((token, at) => {
      history.push({ token, block });
      assert.ok(history.length < context, 'the context is not exceeded');
      return at < logitsFrom ? [] : [digestOf(history)];
    });
  }

  return {
    calls,
    copies,
    tokensOf: (lane) => historyOf(lane).map(({ token }) => token),
    failNext() {
      failing = true;
    },
    async evaluate(round) {
      assert.equal(new Set(round.map(({ lane }) => lane)).size, round.length, 'the lanes of a call are distinct');
      await setImmediate();
      const results = round.map(evaluateOne);
      calls.push(...round.map(({ tokens }) => tokens.length));
      if (!failing) return results;
      failing = false;
      throw new Error('the call failed');
    },
    length: (lane) => historyOf(lane).length,
    async erase(lane, from) {
      await setImmediate();
      historyOf(lane).splice(from);
    },
    async copy(from, to, length) {
      await setImmediate();
      historyOf(to).splice(0);
      if (!canCopy) return false;
      copies.push(`${from}>${to}:${length}`);
      historyOf(to).push(...historyOf(from).slice(0, length));
      return true;
    },
    dispose: () => Promise.resolve(),
  };
}

function digestOf(history: readonly Entry[]): TopLogits {
  const digest = history.reduce((sum, { token, block }) => (Math.imul(sum, 31) + token * 10_007 + block) >>> 0, 7);
  return { ids: Uint32Array.of(digest % 13, 13), logits: Float32Array.of((digest % 1e6) + 2, 1) };
}
