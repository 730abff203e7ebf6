/**
 * Saves the newest state of something that changes often. A call during a save shares the next one with all others that
 * come until it begins, so that any number of changes at once costs two saves.
 *
 * ```ts
 * const save = createSharedSave(() => file.write(stateNow()));
 * ```
 * @param write saves the state as it is at the call
 * @returns resolves once a save that began after the call has ended; rejects as `write`
 */
export function createSharedSave(write: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  function begin(): Promise<void> {
    const saving = write().finally(() => {
      if (running === saving) running = null;
    });
    running = saving;
    return saving;
  }
  return () => {
    if (running === null) return begin();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  };
}
