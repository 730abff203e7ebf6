import type { PeerIdString } from './types.ts';

/**
 * A peer id shortened for people: `12D3Koo…xyzgxB`. Every id begins alike, and a key whose id ends in the same three
 * characters is found in seconds; six take days.
 */
export function shortPeer(peer: PeerIdString): string {
  return `${peer.slice(0, 7)}…${peer.slice(-6)}`;
}

/** A duration for people: `2 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
