import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startRelay } from '../support/circuits.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { addressOf, startPeer } from '../support/peers.ts';

const flags = ['--json', '--private', 'test', '--no-mdns', '--max-tokens', '12', '--model', 'scripted'];

describe('qvac ask --incognito', () => {
  it('asks under a new identity each time, through a relay alone', async (context) => {
    const { peer: relay } = await startRelay(context);
    const provider = await startProvider(context, { peer: { reach: 'relay', relays: [addressOf(relay)] } });
    while (provider.peer.addrs().length === 0) await new Promise(setImmediate);
    const home = await temporaryHome(context);
    const args = ['ask', 'why?', '--home', home, ...flags, '--bootstrap', addressOf(relay)];
    const clients = new Set<string>();
    provider.peer.events.on('connect', (peer) => clients.add(peer));
    for (let time = 1; time <= 2; time++) {
      const { code, stderr } = await runInProcess([...args, '--provider', provider.address, '--incognito']);
      assert.equal(code, 0, stderr);
    }
    const askedBy = [...provider.receipts.values()].map(({ offer }) => Buffer.from(offer.body).toString('hex'));
    assert.equal(askedBy.length, 2);
    clients.delete(relay.id);
    assert.equal(clients.size, 2);
    // The provider has heard of no address but the relay's.
    for (const client of clients)
      for (const address of await provider.peer.addrsOf(client as typeof relay.id))
        assert.match(address, /p2p-circuit/);
  });

  it('asks no provider directly, and uses no router', async (context) => {
    const { peer: relay } = await startRelay(context);
    const provider = await startProvider(context);
    const home = await temporaryHome(context);
    const args = ['ask', 'why?', '--home', home, ...flags, '--bootstrap', addressOf(relay), '--incognito'];
    const direct = await runInProcess([...args, '--provider', provider.address]);
    assert.equal(direct.code, 4, direct.stderr);
    assert.match(direct.stdout, /not reached through a relay of somebody else/);
    assert.deepEqual(provider.peer.connected(), []);
    // From a provider in the configuration the search starts, but no question goes there.
    const bootstrap = [...args.slice(0, -2), provider.address, '--incognito'];
    const known = await runInProcess(bootstrap);
    assert.equal(known.code, 4, known.stderr);
    assert.match(known.stdout, /is connected directly and would learn who asks/);
    assert.equal(provider.receipts.size, 0);
    const router = await startPeer(context, { role: 'router' });
    const routed = await runInProcess([...args, '--router', addressOf(router)]);
    assert.equal(routed.code, 2, routed.stderr);
    assert.deepEqual(router.connected(), []);
  });
});
