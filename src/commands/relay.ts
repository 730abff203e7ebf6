import { aborted } from '../lib/abort.ts';
import type { RelayEvent } from '../node/relay/relay-server.ts';
import type { RunningRelay } from '../sdk/relay.ts';
import { plural, shortPeer } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { defineCommand } from './parts/definition.ts';
import { reachableAs } from './parts/hints.ts';
import { reachJson, sayReach } from './parts/reach-words.ts';

export const command = defineCommand({
  description: [
    'Forward the encrypted connections of nodes behind routers, on a machine that others can dial.',
    'The relay has a key of its own, no model and no wallet. It sees which peers talk, when and how much, and nothing',
    'of what they say. It also introduces nodes to each other: its address is all that --bootstrap needs.',
    'It listens on port 4001, and on 443 if it may, for networks that let out nothing else.',
    'With --json each event is one line.',
  ].join(' '),
  settings: ['listen', 'announce', 'allow', 'maxReservations', 'rate', 'totalRate'],
  keepsLog: true,
  examples: [
    { line: 'qvac relay', what: 'relay for every node that asks' },
    { line: 'qvac relay --allow 12D3KooW…', what: 'relay for that node alone; its clients may be anyone' },
    { line: 'qvac relay --rate 500000 --total-rate 5000000', what: 'bound the traffic of each node, and of all' },
  ],
  async action({ config, output, logger, signal }) {
    const { openRelay } = await import('../sdk/relay.ts');
    const relay = await openRelay({ config, logger, observer: { event: (event) => report(output, event) } });
    try {
      sayReady(output, relay, config.settings.maxReservations);
      sayReach(output, relay.peer);
      await aborted(signal);
    } finally {
      await relay.stop();
    }
  },
});

function sayReady(output: Output, { peer }: RunningRelay, maxReservations: number): void {
  output.say(
    printable(`relay ${peer.id} · network ${peer.network} · for ${plural(maxReservations, 'node')} at a time`),
  );
  output.event(
    { event: 'ready', peer: peer.id, addrs: peer.addrs(), reach: reachJson(peer.reach()), network: peer.network },
    printable(`ready · elsewhere: qvac serve --bootstrap ${reachableAs(peer)}`, 400),
  );
}

function report(output: Output, event: RelayEvent): void {
  // Anyone can cause any number of refusals: `qvac status` counts them.
  if (event.event !== 'refused') output.event(event, `· ${shortPeer(event.peer)} ${words[event.event]}`);
}

const words = { reserved: 'can be reached through this relay', released: 'has left' } as const;
