import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Libp2p } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { noteProtocolsOnce } from '../../../../src/node/peer/libp2p/noted-protocols.ts';
import { startStranger } from '../../../support/hostile.ts';

/** What `node` writes into its record of peers, as the protocols of each writing. */
function watch(node: Libp2p, now?: () => number): string[] {
  const written: string[] = [];
  const merge = node.peerStore.merge.bind(node.peerStore);
  node.peerStore.merge = (id, data, options) => {
    written.push(...(data.protocols ?? []));
    return merge(id, data, options);
  };
  noteProtocolsOnce(node, now);
  return written;
}

async function connectedPair(context: TestContext, now?: () => number) {
  const [client, server] = [await startStranger(context), await startStranger(context)];
  const written = watch(client, now);
  for (const protocol of ['/a', '/b']) await server.handle(protocol, (stream) => void stream.close());
  const address = multiaddr(String(server.getMultiaddrs()[0]));
  return {
    client,
    server,
    written,
    open: async (protocol: string) => (await client.dial(address)).newStream(protocol),
  };
}

test('a protocol is noted once per connected peer, and still known afterwards', async (context) => {
  const { client, server, written, open } = await connectedPair(context);
  for (const protocol of ['/a', '/b', '/a', '/b', '/a']) await open(protocol);
  assert.deepEqual(written, ['/a', '/b']);
  assert.deepEqual((await client.peerStore.get(server.peerId)).protocols.toSorted(), ['/a', '/b']);
});

test('a peer that returns is noted again', async (context) => {
  const { client, server, written, open } = await connectedPair(context);
  await open('/a');
  const gone = once(client, 'peer:disconnect');
  await client.hangUp(server.peerId);
  await gone;
  await open('/a');
  assert.deepEqual(written, ['/a', '/a']);
});

test('a note is repeated after a while, so that the record of a long-lived peer stays right', async (context) => {
  let now = 0;
  const { client, server, written, open } = await connectedPair(context, () => now);
  await open('/a');
  await client.peerStore.patch(server.peerId, { protocols: [] });
  await open('/a');
  assert.deepEqual((await client.peerStore.get(server.peerId)).protocols, []);
  now = 60_000;
  await open('/a');
  assert.deepEqual(written, ['/a', '/a']);
  assert.deepEqual((await client.peerStore.get(server.peerId)).protocols, ['/a']);
});

test('a protocol that this node supports again is announced again', async (context) => {
  const { client } = await connectedPair(context);
  const protocols = async () =>
    (await client.peerStore.get(client.peerId)).protocols.filter((protocol) => protocol === '/own');
  await client.handle('/own', () => {});
  await client.unhandle('/own');
  assert.deepEqual(await protocols(), []);
  await client.handle('/own', () => {});
  assert.deepEqual(await protocols(), ['/own']);
});

test('other data about a peer is written every time', async (context) => {
  const { client, server, written } = await connectedPair(context);
  for (let round = 0; round < 2; round++)
    await client.peerStore.merge(server.peerId, { protocols: ['/c'], metadata: { round: Uint8Array.of(round) } });
  assert.deepEqual(written, ['/c', '/c']);
  assert.deepEqual((await client.peerStore.get(server.peerId)).metadata.get('round'), Uint8Array.of(1));
});
