/** Resolves when `signal` aborts, at once if it already has. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/**
 * The outcome of `promise`, or a rejection with the signal's reason if that aborts first. For work that takes no signal
 * itself: what it does later is ignored.
 */
export async function raceSignal<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  promise.catch(() => undefined);
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const dismissed = new Error('no longer needed');

/** Aborts `controller` if nobody reads why: a reason of its own would capture a stack, which takes longer. */
export function dismiss(controller: AbortController): void {
  controller.abort(dismissed);
}

/**
 * Runs `act` after `milliseconds`, once what had arrived by then is read: behind a pause of the process the timers come
 * before the network, and a deadline would pass although what it waits for is there.
 * @returns cancels it; idempotent
 */
export function afterReading(milliseconds: number, act: () => void): () => void {
  let turn: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (turn = setImmediate(act)), milliseconds);
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}

/** Resolves after `milliseconds`, as `afterReading`. @throws the signal's reason if it aborts first */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = afterReading(milliseconds, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Aborts with the first of `signals` that aborts; never without any. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const given = signals.filter((signal) => signal !== undefined);
  const [only] = given;
  return only !== undefined && given.length === 1 ? only : AbortSignal.any(given);
}

/** Waits until `promise` settles, but no longer than `ms`. Never rejects, and keeps no process alive. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  await raceSignal(promise, AbortSignal.timeout(ms)).catch(() => undefined);
}
