import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Libp2p, PrivateKey } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import type { CID } from 'multiformats/cid';
import { boundedPing } from '../../src/node/peer/libp2p/ping.ts';
import { readMessage, sendMessage } from '../../src/node/peer/libp2p/wire.ts';
import { kadProtocol } from '../../src/protocol/discovery-keys.ts';

const addProvider = 2;

/**
 * Nodes of the hash table that are closer to `key` than any others: they take records and keep none, and answer queries
 * with nothing.
 */
export async function startSwallowers(context: TestContext, key: CID, count: number): Promise<readonly Libp2p[]> {
  const target = sha256(key.multihash.bytes);
  const seeds = Array.from({ length: 10 * count }, (_, at) => sha256(Uint8Array.of(at & 255, at >> 8)));
  const keys = await Promise.all(seeds.map((seed) => generateKeyPairFromSeed('Ed25519', seed)));
  const distanceOf = (each: PrivateKey): Uint8Array =>
    sha256(peerIdFromPrivateKey(each).toMultihash().bytes).map((byte, at) => byte ^ (target[at] ?? 0));
  const closest = keys.toSorted((a, b) => Buffer.compare(distanceOf(a), distanceOf(b))).slice(0, count);
  return Promise.all(closest.map((privateKey) => startSwallower(context, privateKey)));
}

async function startSwallower(context: TestContext, privateKey: PrivateKey): Promise<Libp2p> {
  const node = await createLibp2p({
    privateKey,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ enableKeepAlive: false })],
    services: { identify: identify(), ping: boundedPing() },
    connectionMonitor: { enabled: false },
  });
  context.after(() => node.stop());
  await node.handle(kadProtocol('test'), async (stream) => {
    const [, type = 0] = await readMessage(stream, AbortSignal.timeout(30_000));
    // A message of the same type, and nothing in it.
    if (type !== addProvider) sendMessage(stream, Uint8Array.of(0x08, type));
  });
  return node;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
