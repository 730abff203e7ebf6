import type { PeerId } from '@libp2p/interface';
import type { QueryEvent, SingleKadDHT } from '@libp2p/kad-dht';
import type { CID } from 'multiformats/cid';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { defaultStoreLimits } from './bounded-store.ts';

/** A peer that announced a key, as another node says. */
export interface Claim {
  readonly peer: PeerIdString;
  readonly by: PeerIdString;
}

/** What this module needs of a hash table, which its declared type omits. */
interface Internals {
  readonly providers: { getProviders(key: CID, options?: AbortOptions): Promise<readonly PeerId[]> };
}

/** The providers of `key` whose records the node itself keeps. @param by its own id */
export async function* ownClaims(
  dht: SingleKadDHT,
  key: CID,
  by: PeerIdString,
  options: AbortOptions,
): AsyncGenerator<Claim> {
  for (const id of await (dht as unknown as Internals).providers.getProviders(key, options))
    yield { peer: id.toString() as PeerIdString, by };
}

/** The providers in the answers to a query, of each answer as many as an honest node names. */
export async function* claims(events: AsyncIterable<QueryEvent>): AsyncGenerator<Claim> {
  for await (const event of events) {
    if (event.name !== 'PEER_RESPONSE') continue;
    const by = event.from.toString() as PeerIdString;
    for (const { id } of event.providers.slice(0, defaultStoreLimits.recordsPerAnswer))
      yield { peer: id.toString() as PeerIdString, by };
  }
}
