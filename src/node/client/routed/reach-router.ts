import { QvacError } from '../../../errors.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { Discovery, LivePeer } from '../../discovery/discovery.ts';

/** The router that a question is to go through. */
export interface WantedRouter {
  /** Peer id or multiaddr. */
  readonly target: string;
  /** If it does not answer, the question is asked without it. */
  readonly optional: boolean;
}

/**
 * Fetches the router's current card.
 * @param note receives one line if an optional router does not answer
 * @returns null if no router is wanted, or an optional one does not answer
 * @throws QvacError E_NOT_SERVED if the peer is not a router; otherwise as `Discovery.get`
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
