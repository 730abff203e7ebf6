/**
 * A peer id shortened for people: `12D3Koo…xyzgxB`. Every id begins alike, and a key whose id ends in the same three
 * characters is found in seconds; six take days.
 */
export function shortPeer(peer: string): string {
  return peer.length <= 14 ? peer : `${peer.slice(0, 7)}…${peer.slice(-6)}`;
}

/** The dots that separate the facts of a line, and what looks like them. */
const separators = /[\u00b7\u0387\u16eb\u2022\u2027\u2219\u22c5\u2e31\u2e33\u30fb\ua78f\uff65]/gu;
/** What shows as blank, of whatever width: the columns of a table are two spaces apart. */
const blanks = /[\p{Zs}\u115f\u1160\u2800\u3164\uffa0]+/gu;

/**
 * A stranger's name as a single fact: within a line like `name · free · verified exact` or a table, it adds neither
 * facts nor columns of its own.
 */
export function singleFact(name: string): string {
  return name.replaceAll(separators, '\u{fffd}').replaceAll(blanks, ' ').trim();
}

/** A duration for people: `2 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
