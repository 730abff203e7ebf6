import type { PeerIdString } from '../lib/types.ts';

/** A peer id as people see it: `12D3Koo…gxB`. */
export function shortPeer(peer: PeerIdString): string {
  return `${peer.slice(0, 7)}…${peer.slice(-3)}`;
}
