import { setMaxListeners } from 'node:events';

/** Runs a dial with a signal of its own, which `signal` aborts only until the dial has ended or calls `unfollow`. */
export async function whileDialling<Value>(
  signal: AbortSignal,
  dial: (signal: AbortSignal, unfollow: () => void) => Promise<Value>,
): Promise<Value> {
  const attempt = new AbortController();
  setMaxListeners(0, attempt.signal);
  const stop = (): void => attempt.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const unfollow = (): void => signal.removeEventListener('abort', stop);
  try {
    return await dial(attempt.signal, unfollow);
  } finally {
    unfollow();
  }
}
