import type { PeerIdString } from './types.ts';

/** A peer id shortened for people: `12D3Koo…gxB`. */
export function shortPeer(peer: PeerIdString): string {
  return `${peer.slice(0, 7)}…${peer.slice(-3)}`;
}

/** A duration for people: `2 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
