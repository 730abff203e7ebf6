// A relay in a separate process. Its one argument is a `RelayScript` in JSON; it prints {id, address} once it runs, and
// answers each line of its input with {stats, memoryBytes, residentBytes}, the bytes after a garbage collection.
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { loadIdentity } from '../../src/node/home/identity.ts';
import { createPeer } from '../../src/node/peer/libp2p-peer.ts';
import { createRelayServer } from '../../src/node/relay/relay-server.ts';
import type { RelayScript } from './relay-process.ts';

const {
  keyPath,
  listen = ['/ip4/127.0.0.1/tcp/0'],
  limits,
  kademlia = false,
} = JSON.parse(process.argv[2] ?? '{}') as RelayScript;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const relay = createRelayServer({ clock: systemClock, logger: silentLogger }, { limits });
const peer = createPeer(
  {},
  {
    role: 'relay',
    reach: 'direct',
    key: await loadIdentity(keyPath),
    network: 'test',
    listen,
    kademlia,
    extensions: [relay],
  },
);
await peer.start();
process.stdout.write(`${JSON.stringify({ id: peer.id, address: peer.listening()[0] })}\n`);
createInterface({ input: process.stdin }).on('line', async () => {
  // The buffers that the first collection finds unused are counted until the second has freed them.
  collectGarbage();
  await setImmediate();
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  const memory = { memoryBytes: heapUsed + external, residentBytes: rss };
  process.stdout.write(`${JSON.stringify({ stats: relay.stats(), ...memory })}\n`);
});
