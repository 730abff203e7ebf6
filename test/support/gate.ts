/** Pauses an engine before step `at` until the gate is opened. */
export interface Gate {
  /** For `ScriptedInit.beforeStep`. */
  readonly beforeStep: (i: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Resolves when a job has reached the gate. */
  readonly reached: Promise<void>;
  open(): void;
}

export function createGate(at: number): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: () => opened.resolve(),
    async beforeStep(i, signal) {
      if (i !== at) return;
      reached.resolve();
      const aborted = Promise.withResolvers<never>();
      const onAbort = (): void => aborted.reject(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      signal?.throwIfAborted();
      try {
        await Promise.race([opened.promise, aborted.promise]);
      } finally {
        signal?.removeEventListener('abort', onAbort);
      }
    },
  };
}
