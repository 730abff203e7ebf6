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
 * `direct`: others dial it. `relayed`: it has a reservation at a relay. `none`: the peers outside its network that
 * tried could not dial it. `local`: it is connected to no peer outside its local network. `unknown`: nothing is known.
 */
export type ReachWay = 'direct' | 'relayed' | 'none' | 'local' | 'unknown';

/** A relay at which a node has a reservation or tried to get one. */
export interface RelayReach {
  readonly peer: PeerIdString;
  /** The addresses through it; empty without a reservation. */
  readonly addrs: readonly string[];
  /** Round trip to it in ms, as last measured. */
  readonly rttMs: number | null;
  /** Why the last attempt failed; null if it did not. */
  readonly why: string | null;
}

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
  readonly relays: readonly RelayReach[];
  /**
   * How the router in front of this node maps its ports (see `PortMapping`), and to how many of the peers that came
   * through a relay this node then tried to connect directly, and did.
   */
  readonly punches: {
    readonly mapping: 'stable' | 'random' | 'unknown';
    readonly tried: number;
    readonly succeeded: number;
  };
}
