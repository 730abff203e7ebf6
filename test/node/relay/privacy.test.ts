import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { CircuitConnection } from '../../../src/node/peer/circuit/circuit-connection.ts';
import { encodeHop, hopProtocol } from '../../../src/node/peer/circuit/messages.ts';
import { readMessage, sendMessage } from '../../../src/node/peer/libp2p/wire.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { startAsker } from '../../support/asking.ts';
import { startHidden } from '../../support/circuits.ts';
import { tappedRelay } from '../../support/faulty-relay.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { addressOf, startPeer } from '../../support/peers.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const marker = 'the-secret-of-the-question';

test('the relay’s own process sees neither question nor answer, but encrypted bytes', async (t) => {
  const seen: Buffer[] = [];
  const extension = tappedRelay((stream) => {
    stream.addEventListener('message', ({ data }) => seen.push(Buffer.from(data.subarray())));
  });
  const relay = await startPeer(t, { role: 'relay', reach: 'direct', extensions: [extension] });
  const provider = await startProvider(t, { peer: { reach: 'relay', relays: [addressOf(relay)] } });
  while (provider.peer.addrs().length === 0) await new Promise(setImmediate);
  const asker = await startAsker(t, { engines: [createScriptedEngine()] });
  const answer = await asker.ask({
    provider: provider.address,
    model: 'scripted',
    input: { ...testInput, messages: [{ role: 'user', content: marker.repeat(20) }] },
    sampler: { ...testSampler, maxTokens: 200 },
    verify: 'full',
  });
  assert.equal(answer.verification.result, 'pass');
  const bytes = Buffer.concat(seen);
  assert.ok(bytes.length > 10_000, `${bytes.length} bytes were seen`);
  // What both ends say before the handshake is there to be read.
  assert.ok(bytes.includes('/noise'));
  const pieces = [marker, 'secret', answer.text.slice(0, 12), answer.text.slice(-12), jobProtocol, 'merkle'];
  for (const piece of pieces) assert.ok(!bytes.includes(piece), piece);
  // Neither the bytes of the offer, which the provider has as they were sent.
  const [receipt] = [...provider.receipts.values()];
  assert.ok(receipt !== undefined && !bytes.includes(Buffer.from(receipt.offer.body).subarray(0, 64)));
});

test('a relay that answers in the place of a provider is found out before the question leaves', async (t) => {
  const streams: string[] = [];
  const relay = await startPeer(t, {
    role: 'relay',
    reach: 'direct',
    extensions: [
      {
        async attach(node) {
          await node.handle(hopProtocol, async (stream, connection) => {
            await readMessage(stream, AbortSignal.timeout(30_000));
            sendMessage(stream, encodeHop({ type: 'status', status: 100, reservation: null, limit: null }));
            const remoteAddr = multiaddr(`${connection.remoteAddr}/p2p-circuit`);
            const log = node.logger.forComponent('test');
            const circuit = new CircuitConnection(stream, { remoteAddr, direction: 'inbound', log });
            circuit.receive();
            await node.services.internals.upgrader.upgradeInbound(circuit, { signal: AbortSignal.timeout(30_000) });
          });
        },
        detach: () => undefined,
      },
    ],
  });
  await relay.handle(jobProtocol, async () => void streams.push('job'));
  const absent = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  await assert.rejects(client.open(`${addressOf(relay)}/p2p-circuit/p2p/${absent.id}`, jobProtocol), {
    code: 'E_NETWORK',
    message: /another peer answers/,
  });
  assert.deepEqual(streams, []);
});

test('an address that belongs to somebody else brings nobody a stream but the peer that is meant', async (t) => {
  const streams: string[] = [];
  const start = async (name: string) => {
    const peer = await startPeer(t);
    await peer.handle(jobProtocol, async () => void streams.push(name));
    return peer;
  };
  const [meant, other] = [await start('meant'), await start('other')];
  const client = await startPeer(t, { role: 'client' });
  const without = (address: string): string => address.slice(0, address.indexOf('/p2p/'));
  await client.learn(meant.id, [without(addressOf(other)), without(addressOf(meant))]);
  const stream = await client.open(meant.id, jobProtocol);
  assert.equal(stream.remote.peer, meant.id);
  while (streams.length === 0) await new Promise(setImmediate);
  assert.deepEqual(streams, ['meant']);
});

test('a card that names another provider’s address brings that provider no question', async (t) => {
  const named = await startProvider(t);
  const address = named.address.slice(0, named.address.indexOf('/p2p/'));
  const lying = await startProvider(t, { peer: { announce: [address] } });
  const { addrs } = lying.card().card;
  assert.deepEqual(addrs, [`${address}/p2p/${lying.peer.id}`]);
  const client = await startPeer(t, { role: 'client' });
  await client.learn(lying.peer.id, addrs);
  await assert.rejects(client.open(lying.peer.id, jobProtocol), { code: 'E_NETWORK', message: /another peer answers/ });
  assert.deepEqual([named.events.all, client.connected()], [[], []]);
  assert.equal((await client.open(named.address, jobProtocol)).remote.peer, named.peer.id);
});

test('a node behind a relay that names wrong addresses announces at most two, and none of a private network', async (t) => {
  const named = ['/ip4/192.168.1.7/tcp/4001', '/ip4/10.0.0.1/tcp/1', '/ip4/8.8.8.8/tcp/4001', '/ip4/8.8.4.4/tcp/4001'];
  const relay = await startPeer(t, {
    role: 'relay',
    reach: 'direct',
    extensions: [
      {
        attach: (node) =>
          node.handle(hopProtocol, async (stream) => {
            await readMessage(stream, AbortSignal.timeout(30_000));
            const addrs = [...named.map((address) => multiaddr(address).bytes), new Uint8Array([1, 2, 3])];
            const reservation = { expire: Math.floor(Date.now() / 1000) + 60, addrs };
            sendMessage(stream, encodeHop({ type: 'status', status: 100, reservation, limit: null }));
          }),
        detach: () => undefined,
      },
    ],
  });
  const provider = await startHidden(t, [addressOf(relay)]);
  const ips = provider.addrs().map((address) => address.split('/')[2]);
  assert.deepEqual(ips, ['8.8.8.8', '8.8.4.4']);
});
