import { raceSignal } from './abort.ts';
import type { AbortOptions } from './types.ts';

/** A task that runs, and what its caller can stop it with. */
interface Run<Value> extends AbortOptions {
  readonly result: Promise<Value>;
}

/**
 * Runs one task at a time under each name: a call while one runs shares its result or its failure. If the caller that
 * began it stops it, the next one begins it anew.
 *
 * ```ts
 * const opening = createSharedRuns<Channel>();
 * await opening(provider, () => open(provider, { signal }), { signal });
 * ```
 * @param signal ends this call, and the task if this call began it
 */
export function createSharedRuns<Value>(): (
  name: string,
  run: () => Promise<Value>,
  options?: AbortOptions,
) => Promise<Value> {
  const running = new Map<string, Run<Value>>();
  return async (name, run, { signal } = {}) => {
    for (;;) {
      const shared = running.get(name) ?? { signal, result: run().finally(() => running.delete(name)) };
      running.set(name, shared);
      try {
        return await raceSignal(shared.result, signal);
      } catch (error) {
        if (shared.signal === signal || shared.signal?.aborted !== true) throw error;
      }
    }
  };
}

/**
 * Opens something once for all callers; what failed to open is opened again for the next one. A caller that stops
 * waiting stops no other one.
 *
 * ```ts
 * const escrow = createSharedOpening((options) => openEscrow(init, options));
 * await escrow({ signal });
 * ```
 */
export function createSharedOpening<Value extends object>(
  open: (options: AbortOptions) => Promise<Value>,
): (options?: AbortOptions) => Promise<Value> {
  const runs = createSharedRuns<Value>();
  let opened: Value | null = null;
  return async (options = {}) => opened ?? runs('', async () => (opened = await open(options)), options);
}
