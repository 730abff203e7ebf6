import type { IpKind } from '../../lib/ip-kind.ts';

/** What the connections of this run say about how this node can be reached. */
export interface Reach {
  /** IP addresses under which peers say that they see this node, the newest last. What a peer says may be wrong. */
  readonly observed: readonly string[];
  /** Connections that others opened, by where they came from. */
  readonly dialledIn: Readonly<Record<IpKind, number>>;
}
