import { QvacError } from '../../../errors.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { Discovery, LivePeer } from '../../discovery/discovery.ts';

/** The router that a question is to go through. */
export interface WantedRouter {
  /** Peer id or multiaddr. */
  readonly target: string;
  /** One that does not answer is done without. */
  readonly optional: boolean;
}

/**
 * The router with its card of now; null where none is wanted, or an optional one is not there, which `note` is told of.
 * @throws QvacError E_NOT_SERVED where it is no router, else as of `Discovery.get`
 */
export async function reachRouter(
  discovery: Pick<Discovery, 'get'>,
  wanted: WantedRouter | null,
  note: (line: string) => void,
  options: AbortOptions,
): Promise<LivePeer | null> {
  if (wanted === null) return null;
  try {
    const live = await discovery.get(wanted.target, options);
    if (live.card.role !== 'router')
      throw new QvacError('E_NOT_SERVED', `${live.peer} is a provider, not a router`, {
        hint: `qvac ask --provider ${live.peer}`,
      });
    return live;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!wanted.optional || !(error instanceof QvacError)) throw error;
    note(`your router does not answer (${error.message}); asking without it`);
    return null;
  }
}
