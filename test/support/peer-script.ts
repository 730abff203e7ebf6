// A node in a separate process. Its one argument is a `PeerScript` in JSON; it prints {id, address} once it runs, then
// the events of its list of live peers.
import { systemClock } from '../../src/lib/clock.ts';
import { type Logger, silentLogger } from '../../src/lib/log.ts';
import { createCardIssuer } from '../../src/node/cards/card-issuer.ts';
import { createDiscovery } from '../../src/node/discovery/discovery.ts';
import { keysOfCard } from '../../src/node/discovery/query.ts';
import { loadIdentity } from '../../src/node/home/identity.ts';
import { createPeer } from '../../src/node/peer/libp2p-peer.ts';
import { testContent, testModel } from './offers.ts';
import type { PeerScript } from './peer-process.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as PeerScript;
const role = options.role ?? 'provider';
const logger: Logger = {
  ...silentLogger,
  warn: (message, fields) => void process.stdout.write(`warn ${message} ${fields?.address ?? ''}\n`),
};
const peer = createPeer(
  { logger },
  {
    role,
    key: await loadIdentity(options.keyPath),
    network: options.network ?? 'test',
    listen: role === 'client' ? [] : [options.listen ?? '/ip4/127.0.0.1/tcp/0'],
    mdns: options.mdns ?? false,
    kademlia: options.kademlia ?? false,
  },
);
await peer.start();
if (options.tellsAddresses === true)
  peer.events.on('addresses', (addrs) => process.stdout.write(`${['addrs', ...addrs].join(' ')}\n`));
/** Sends heartbeats as long as the other side takes them. */
await peer.handle('/test/beats/1.0.0', async (stream) => {
  for (;;) {
    await stream.write({ t: 'beat' });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
const components = { peer, clock: systemClock, logger: silentLogger };
const issuer = createCardIssuer(components, {
  path: null,
  role: 'provider',
  content: () => testContent((options.models ?? []).map((name) => testModel(name))),
});
if (options.models !== undefined) await issuer.start();
const discovery = createDiscovery(components, { bootstrap: options.bootstrap });
if (options.models !== undefined) discovery.announce(keysOfCard(issuer.current().card));
process.stdout.write(`${JSON.stringify({ id: peer.id, address: peer.listening()[0] })}\n`);
discovery.events.on('peer:up', (live) => process.stdout.write(`up ${live.peer}\n`));
discovery.events.on('peer:down', (gone) => process.stdout.write(`down ${gone}\n`));
setInterval(() => {}, 60_000);
await discovery.start();
