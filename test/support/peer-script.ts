// A node of its own process. Its one argument is a `PeerScript` in JSON; it prints {id, address} once it listens.
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createCardIssuer } from '../../src/node/card-issuer.ts';
import { createDiscovery } from '../../src/node/discovery.ts';
import { loadIdentity } from '../../src/node/identity.ts';
import { createPeer } from '../../src/node/peer.ts';
import { keysOfCard } from '../../src/node/query.ts';
import { testContent, testModel } from './offers.ts';
import type { PeerScript } from './peer-process.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as PeerScript;
const peer = createPeer(
  {},
  {
    role: 'provider',
    key: await loadIdentity(options.keyPath),
    network: options.network ?? 'test',
    listen: [options.listen ?? '/ip4/127.0.0.1/tcp/0'],
    mdns: options.mdns ?? false,
    kademlia: options.kademlia ?? false,
  },
);
await peer.start();
/** Sends beats for as long as they are taken. */
await peer.handle('/test/beats/1.0.0', async (stream) => {
  for (;;) {
    await stream.write({ t: 'beat' });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
const components = { peer, clock: systemClock, logger: silentLogger };
const issuer = createCardIssuer(components, { path: null, role: 'provider', content: () => testContent((options.models ?? []).map((name) => testModel(name))) });
if (options.models !== undefined) await issuer.start();
const discovery = createDiscovery(components, { bootstrap: options.bootstrap });
await discovery.start();
if (options.models !== undefined) discovery.announce(keysOfCard(issuer.current().card));
process.stdout.write(`${JSON.stringify({ id: peer.id, address: peer.addrs()[0] })}\n`);
// Held open by what listens.
