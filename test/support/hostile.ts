import type { TestContext } from 'node:test';
import type { Libp2p, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { concat, u32 } from '../../src/lib/bytes.ts';
import { encodeFrame } from '../../src/protocol/frame-codec.ts';

/** A node that keeps no rule of the protocol, to send arbitrary bytes. */
export async function startStranger(context: TestContext): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxOutboundStreams: 10_000, enableKeepAlive: false })],
    connectionMonitor: { enabled: false },
  });
  context.after(() => node.stop());
  return node;
}

export async function openRaw(node: Libp2p, address: string, protocol: string): Promise<Stream> {
  const connection = await node.dial(multiaddr(address));
  return connection.newStream(protocol, { maxOutboundStreams: 10_000 });
}

/** Everything that arrives on a stream until it ends or breaks. */
export async function everything(stream: Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await new Promise<void>((resolve) => {
    stream.addEventListener('message', (event) => parts.push(event.data.subarray()));
    stream.addEventListener('remoteCloseWrite', () => resolve());
    stream.addEventListener('close', () => resolve());
    if (stream.status !== 'open') resolve();
  });
  return concat(...parts);
}

/** The error frame that refuses a stream whose frame breaks the protocol. */
export const badFrame = encodeFrame({ t: 'error', code: 'bad-frame', message: 'a frame broke the protocol' });

/** `length ‖ bytes`, where `length` may lie. */
export function framed(bytes: Uint8Array, length = bytes.length): Uint8Array {
  return concat(u32(length), bytes);
}
