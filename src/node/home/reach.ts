import type { IpKind } from '../../lib/ip-kind.ts';
import type { PeerIdString } from '../../lib/types.ts';

/** An address at which a peer tried to dial this node back. */
export interface Tested {
  /** Multiaddr without `/p2p`. */
  readonly address: string;
  readonly by: PeerIdString;
  /** Unix milliseconds. */
  readonly at: number;
}

/**
 * `direct`: others dial it. `none`: the peers outside its network that tried could not. `local`: it is connected to no
 * peer outside its local network. `unknown`: nothing is known yet.
 */
export type ReachWay = 'direct' | 'none' | 'local' | 'unknown';

/** What this run shows about how others reach this node. */
export interface Reach {
  readonly way: ReachWay;
  /** IP addresses under which peers say that they see this node, the newest last. What a peer says may be wrong. */
  readonly observed: readonly string[];
  /** Connections that others opened, by where they came from. */
  readonly dialledIn: Readonly<Record<IpKind, number>>;
  /** Addresses at which a peer has dialled this node back. */
  readonly direct: readonly Tested[];
  /** Addresses at which the last test failed. */
  readonly failed: readonly Tested[];
}
