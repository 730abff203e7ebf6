import type { Config } from '../config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Engine } from '../model/engine.ts';
import type { CardIssuer } from '../node/cards/card-issuer.ts';
import type { Discovery } from '../node/discovery/discovery.ts';
import { keysOfCard } from '../node/discovery/query.ts';
import { createRunFiles, type RunEntry } from '../node/home/run-files.ts';
import type { Peer } from '../node/peer/peer.ts';
import type { Teardown } from './teardown.ts';

export interface PublishComponents {
  readonly config: Config;
  readonly peer: Peer;
  readonly discovery: Discovery;
  readonly cards: CardIssuer;
}

/**
 * Issues and announces the card of a node that has started, records the node in the home, and waits a while until it is
 * known how others reach it.
 */
export async function publish(
  { config, peer, discovery, cards }: PublishComponents,
  { role, engines = [] }: { readonly role: RunEntry['role']; readonly engines?: readonly Engine[] },
  teardown: Teardown,
): Promise<void> {
  await cards.start();
  teardown.add(() => cards.stop());
  discovery.announce(keysOfCard(cards.current().card));
  const runFiles = createRunFiles(config.home.run);
  await runFiles.write({
    role,
    peer: peer.id,
    addrs: peer.listening(),
    network: peer.network,
    models: engines.map(({ facts }) => facts.id),
    startedAt: systemClock.now(),
  });
  teardown.add(() => runFiles.remove(role));
  // Without a peer to start from, nobody will say soon.
  if (config.settings.bootstrap.length > 0) await peer.reachKnown(AbortSignal.timeout(reachWaitMs));
}

/** How long a node that starts waits until it knows how others reach it, in ms. */
const reachWaitMs = 5_000;
