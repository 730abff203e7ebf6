import type { Connection } from '@libp2p/interface';
import { toError } from '../../../errors.ts';
import { anySignal, delay } from '../../../lib/abort.ts';

/** An address to dial. */
export interface Entrant {
  /** When it starts after the first one, in ms. */
  readonly startMs: number;
  readonly isRelayed: boolean;
  /** @throws if the address does not answer, or the signal aborts */
  dial(signal: AbortSignal): Promise<Connection>;
}

/**
 * Dials several addresses of one peer at once and returns the first connection. If that leads through a relay, the
 * direct attempts go on, and a connection that they open stays open: later streams prefer it.
 * @throws AggregateError of all failures; the signal's reason
 */
export async function race(entrants: readonly Entrant[], signal: AbortSignal): Promise<Connection> {
  const stop = { direct: new AbortController(), relayed: new AbortController() };
  const first = Promise.withResolvers<Connection>();
  const over = new Error('another address answered first');
  let hasDirect = false;
  let hasAny = false;
  const run = async ({ startMs, isRelayed, dial }: Entrant): Promise<void> => {
    const mine = anySignal(signal, (isRelayed ? stop.relayed : stop.direct).signal);
    if (startMs > 0) await delay(startMs, mine);
    const connection = await dial(mine);
    if (hasDirect || (isRelayed && hasAny)) return drop(connection);
    hasAny = true;
    hasDirect = !isRelayed;
    stop.relayed.abort(over);
    if (hasDirect) stop.direct.abort(over);
    first.resolve(connection);
  };
  void Promise.allSettled(entrants.map(run)).then((results) =>
    first.reject(new AggregateError(results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])))),
  );
  return first.promise;
}

function drop(connection: Connection): void {
  connection.close().catch((error: unknown) => connection.abort(toError(error)));
}
