import type { PeerIdString } from './types.ts';

/** A peer id as people see it: `12D3Koo…gxB`. */
export function shortPeer(peer: PeerIdString): string {
  return `${peer.slice(0, 7)}…${peer.slice(-3)}`;
}

/** A span as people read it: `2 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
