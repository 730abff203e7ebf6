import { randomBytes } from 'node:crypto';
import { identityFromSeed } from '../../src/node/home/identity.ts';
import { createPeer } from '../../src/node/peer/libp2p-peer.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';

const protocol = '/bench/relay/1.0.0';
const rounds = 15;
const frames = 3_000;
const allowed = ['accept', 'tokens', 'head', 'beat'] as const;
const oneToken: Frame = { t: 'tokens', i: 40, tokens: [12_345], text: ' sky' };

/** Passes all frames of `from` on to `to`. */
type Relay = (from: FrameStream, to: FrameStream) => Promise<void>;

const relays = {
  async forwarded(from, to) {
    for (let raw = await from.readRaw(allowed); raw !== null; raw = await from.readRaw(allowed))
      await to.forward(raw.bytes);
  },
  async encoded(from, to) {
    for (let frame = await from.read(allowed); frame !== null; frame = await from.read(allowed)) await to.write(frame);
  },
} as const satisfies Readonly<Record<string, Relay>>;

async function startNode(role: 'provider' | 'client'): Promise<Peer> {
  const listen = role === 'client' ? [] : ['/ip4/127.0.0.1/tcp/0'];
  const key = await identityFromSeed(randomBytes(32));
  const peer = createPeer({}, { role, key, network: 'bench', listen, kademlia: false });
  await peer.start();
  return peer;
}

/** A question through a router: its answer's frames reach the client over two streams. */
async function startMarket(): Promise<{ readMs(relay: Relay): Promise<number>; stop(): Promise<void> }> {
  const [provider, router] = [await startNode('provider'), await startNode('provider')];
  const [upstream, client] = [await startNode('client'), await startNode('client')];
  const addressOf = (peer: Peer): string => peer.addrs()[0] ?? '';
  let relay: Relay = relays.encoded;
  await provider.handle(protocol, async (stream) => {
    for (let sent = 0; sent < frames; sent++) await stream.write(oneToken);
  });
  await router.handle(protocol, async (stream) => relay(await upstream.open(addressOf(provider), protocol), stream));
  return {
    async readMs(chosen) {
      relay = chosen;
      const began = performance.now();
      const stream = await client.open(addressOf(router), protocol);
      while ((await stream.read(allowed)) !== null);
      await stream.close();
      return performance.now() - began;
    },
    async stop() {
      for (const peer of [client, upstream, router, provider]) await peer.stop();
    },
  };
}

/** Microseconds of one call, over enough of them. */
function callUs(run: () => void): number {
  const calls = 4_000;
  const began = performance.now();
  for (let call = 0; call < calls; call++) run();
  return ((performance.now() - began) * 1_000) / calls;
}

/** What a frame costs a router apart from its two streams. */
function codecFigure(): Figure {
  const bytes = encodeFrame(oneToken);
  const decode = (): Frame => decodeFrame(bytes.subarray(4), allowed);
  const us: { readonly forwarded: number[]; readonly encoded: number[] } = { forwarded: [], encoded: [] };
  for (let round = -2; round < rounds; round++) {
    const forwarded = callUs(() => void [decode(), bytes.slice()]);
    const encoded = callUs(() => void encodeFrame(decode()));
    if (round < 0) continue;
    us.forwarded.push(forwarded);
    us.encoded.push(encoded);
  }
  return {
    name: 'a token frame forwarded ÷ encoded anew',
    value: median(us.forwarded.map((each, round) => each / (us.encoded[round] ?? Number.NaN))),
    unit: '×',
    goal: { atMost: 0.75 },
    details: { rounds, ...spread('forwardedUs', us.forwarded), ...spread('encodedUs', us.encoded) },
  };
}

async function hopFigure(): Promise<Figure> {
  const market = await startMarket();
  try {
    const ms: { readonly forwarded: number[]; readonly encoded: number[] } = { forwarded: [], encoded: [] };
    for (let round = -2; round < rounds; round++) {
      const forwarded = await market.readMs(relays.forwarded);
      const encoded = await market.readMs(relays.encoded);
      if (round < 0) continue;
      ms.forwarded.push(forwarded);
      ms.encoded.push(encoded);
    }
    return {
      name: 'provider, router and client, forwarded ÷ encoded anew',
      value: median(ms.forwarded.map((each, round) => each / (ms.encoded[round] ?? Number.NaN))),
      unit: '×',
      goal: null,
      details: { rounds, frames, ...spread('forwardedMs', ms.forwarded), ...spread('encodedMs', ms.encoded) },
    };
  } finally {
    await market.stop();
  }
}

export const scenario: Scenario = async () => [codecFigure(), await hopFigure()];
