import type { Connection } from '@libp2p/interface';
import { toError } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { isRelayed } from '../addresses.ts';
import { spareCircuitMs } from './constants.ts';

/** Closes relayed connections to peers that are also connected directly, but none with an open stream. */
export class SpareCircuits {
  readonly #monotonic: Monotonic;
  /** Since when each spare circuit has had no stream, by the connection's id. */
  readonly #since = new Map<string, number>();

  constructor(monotonic: Monotonic = monotonicMs) {
    this.#monotonic = monotonic;
  }

  /** Closes those that have been spare for a while. @param all every connection of this node */
  tick(all: readonly Connection[]): void {
    const now = this.#monotonic();
    const open = all.filter(({ status }) => status === 'open');
    const direct = new Set(open.filter(({ remoteAddr }) => !isRelayed(remoteAddr)).map(peerOf));
    const spare = open.filter((each) => isRelayed(each.remoteAddr) && direct.has(peerOf(each)) && isIdle(each));
    const ids = new Set(spare.map(({ id }) => id));
    for (const id of this.#since.keys()) if (!ids.has(id)) this.#since.delete(id);
    for (const connection of spare) {
      const since = this.#since.get(connection.id) ?? now;
      this.#since.set(connection.id, since);
      if (now - since < spareCircuitMs) continue;
      this.#since.delete(connection.id);
      connection.close().catch((error: unknown) => connection.abort(toError(error)));
    }
  }
}

function peerOf({ remotePeer }: Connection): string {
  return remotePeer.toString();
}

function isIdle({ streams }: Connection): boolean {
  return streams.length === 0;
}
