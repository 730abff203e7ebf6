import { systemClock } from '../../lib/clock.ts';
import type { Reach, RelayReach, Tested } from '../../node/home/reach.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import type { Peer } from '../../node/peer/peer.ts';
import { plural, shortPeer, timeSpan } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { printable } from '../../terminal/printable.ts';

/** The command that runs a node. */
export const commandOf = {
  provider: 'serve',
  router: 'route',
  relay: 'relay',
} as const satisfies Record<RunEntry['role'], string>;

/** How others reach a node, in one line: `directly at /ip4/… (dialled back by 12D3Koo…xyzgxB 20 s ago)`. */
export function reachWords({ way, direct, failed, relays, punches }: Reach, now: number): string {
  switch (way) {
    case 'direct':
      return direct.length === 0
        ? 'directly, at the addresses of --announce'
        : `directly, at ${direct.map((each) => testWords(each, 'dialled back', now)).join(', ')}`;
    case 'relayed':
      return `through ${relays
        .filter(({ addrs }) => addrs.length > 0)
        .map(relayWords)
        .join(' and ')}${punchWords(punches)}`;
    case 'none':
      return `from its local network only: ${[
        ...failed.map((each) => testWords(each, 'not reached', now)),
        ...relays.flatMap(({ peer, why }) => (why === null ? [] : `relay ${shortPeer(peer)}: ${why}`)),
      ].join(', ')}`;
    case 'local':
      return 'on the local network; no peer outside it is connected';
    case 'unknown':
      return 'where it listens; no peer outside has tested it yet';
  }
}

/** Whether peers that come through a relay are then connected directly. */
function punchWords({ mapping, tried, succeeded }: Reach['punches']): string {
  if (tried > 0) return `, then directly to ${succeeded} of ${plural(tried, 'peer')}`;
  return mapping === 'random' ? '; its router uses another port for each peer, so no connection becomes direct' : '';
}

/** `relay 12D3Koo…xyzgxB (24 ms)`. */
function relayWords({ peer, rttMs }: RelayReach): string {
  return `relay ${shortPeer(peer)}${rttMs === null ? '' : ` (${Math.round(rttMs)} ms)`}`;
}

/** `/ip4/… (dialled back by 12D3Koo…xyzgxB 20 s ago)`. */
function testWords({ address, by, at }: Tested, outcome: string, now: number): string {
  return `${address} (${outcome} by ${shortPeer(by)} ${timeSpan(Math.max(0, now - at))} ago)`;
}

/** The fields of `reach` in the output of a node (docs/json.md). */
export function reachJson({
  way,
  direct,
  failed,
  relays,
  punches,
}: Reach): Pick<Reach, 'way' | 'direct' | 'failed' | 'relays' | 'punches'> {
  return { way, direct, failed, relays, punches };
}

/** Tells how others reach a running node, now and at every change. */
export function sayReach(output: Output, peer: Pick<Peer, 'reach' | 'addrs' | 'events'>): void {
  const words = (reach: Reach): string => printable(`reachable ${reachWords(reach, systemClock.now())}`, 400);
  output.say(words(peer.reach()));
  peer.events.on('reach', (reach) =>
    output.event({ event: 'reach', addrs: peer.addrs(), ...reachJson(reach) }, `· ${words(reach)}`),
  );
}
