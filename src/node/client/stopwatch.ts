import { flushMs } from '../../protocol/constants.ts';
import type { AnswerTiming } from './answer.ts';

/** Measures one answer as its reader sees it. */
export interface Stopwatch {
  /** `n` tokens in total have arrived by now. */
  tokens(n: number): void;
  read(): AnswerTiming;
}

/**
 * If all tokens arrived within one flush interval, they were read in one go: this program was busy, and their rate says
 * nothing about the provider.
 */
const shortestMs = flushMs;

/** Starts measuring now. */
export function startStopwatch(): Stopwatch {
  const began = performance.now();
  let first: { readonly at: number; readonly n: number } | null = null;
  let last = { at: began, n: 0 };
  return {
    tokens(n) {
      if (n === last.n) return;
      last = { at: performance.now(), n };
      first ??= last;
    },
    read() {
      const streamingMs = first === null ? 0 : last.at - first.at;
      return {
        firstTokenMs: first === null ? null : Math.round(first.at - began),
        totalMs: Math.round(performance.now() - began),
        tokensPerSecond:
          first === null || streamingMs < shortestMs
            ? null
            : Math.round(((last.n - first.n) * 10_000) / streamingMs) / 10,
      };
    },
  };
}
