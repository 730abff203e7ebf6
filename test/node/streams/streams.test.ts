import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { QvacError } from '../../../src/errors.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { type FrameStream, LibP2PFrameStream, type RawFrame } from '../../../src/node/streams/streams.ts';
import { encodeFrame } from '../../../src/protocol/frame-codec.ts';
import type { Frame, FrameType } from '../../../src/protocol/frames.ts';
import { badFrame, everything, framed, openRaw, startStranger } from '../../support/hostile.ts';
import { addressOf, startPeer } from '../../support/peers.ts';

const protocol = '/test/frames/1.0.0';
const beat: Frame = { t: 'beat' };

/** A node that reads frames of these types until the end, and what it read. */
async function startReader(
  t: TestContext,
  allowed: readonly FrameType[] = ['beat', 'tokens'],
): Promise<{ peer: Peer; frames: Frame[]; ends: unknown[]; next(): Promise<unknown> }> {
  const peer = await startPeer(t);
  const frames: Frame[] = [];
  const ends: unknown[] = [];
  const waiting: ((end: unknown) => void)[] = [];
  const end = (what: unknown): void => {
    ends.push(what);
    waiting.shift()?.(what);
  };
  await peer.handle(protocol, async (stream) => {
    try {
      for (let frame = await stream.read(allowed); frame !== null; frame = await stream.read(allowed))
        frames.push(frame);
      end(null);
    } catch (error) {
      end(error);
      throw error;
    }
  });
  const next = (): Promise<unknown> => new Promise((resolve) => waiting.push(resolve));
  return { peer, frames, ends, next };
}

/** The stream that the other side accepted. */
function acceptOne(peer: Peer, hold: Promise<void>): Promise<FrameStream> {
  return new Promise((resolve) => {
    void peer.handle(protocol, async (stream) => {
      resolve(stream);
      await hold;
    });
  });
}

test('frames cut anywhere arrive whole and in order', async (t) => {
  const reader = await startReader(t);
  const stranger = await startStranger(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 3000 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
      async (sizes, cuts) => {
        reader.frames.length = 0;
        const sent = sizes.map((size, i) => ({ t: 'tokens', i, tokens: [i], text: 'x'.repeat(size) }) as const);
        const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame)));
        const ended = reader.next();
        const stream = await openRaw(stranger, addressOf(reader.peer), protocol);
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          stream.send(bytes.subarray(at, at + size));
          at += size;
          if (cut % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await stream.close();
        assert.equal(await ended, null);
        assert.deepEqual(reader.frames, sent);
      },
    ),
    { seed: 1, numRuns: 15 },
  );
});

const wrong: readonly (readonly [string, Uint8Array])[] = [
  ['longer than its type may be', framed(new Uint8Array(10), 8 << 20)],
  ['announced with 4 GiB', framed(new Uint8Array(10), 0xffff_ffff)],
  ['of no bytes', framed(new Uint8Array(0))],
  ['of random bytes', framed(randomBytes(200))],
  ['of text', new TextEncoder().encode('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['of a type that is out of order', encodeFrame({ t: 'stop' })],
  ['of a beat that is too long', framed(new Uint8Array(5000))],
];
for (const [what, bytes] of wrong) {
  test(`a frame ${what} ends its stream with bad-frame, and nothing else`, async (t) => {
    const reader = await startReader(t);
    const stranger = await startStranger(t);
    const good = await openRaw(stranger, addressOf(reader.peer), protocol);
    const bad = await openRaw(stranger, addressOf(reader.peer), protocol);
    const answer = everything(bad);
    const failed = reader.next();
    bad.send(encodeFrame(beat));
    bad.send(bytes);
    assert.deepEqual(await answer, badFrame);
    assert.equal(((await failed) as { code: string }).code, 'E_BAD_PEER');
    const ended = reader.next();
    good.send(encodeFrame(beat));
    await good.close();
    assert.equal(await ended, null);
    assert.deepEqual(reader.frames, [beat, beat]);
  });
}

test('a stream that ends within a frame is truncated', async (t) => {
  const reader = await startReader(t);
  const stranger = await startStranger(t);
  for (const bytes of [Uint8Array.of(0), framed(randomBytes(50), 100)]) {
    const ended = reader.next();
    const stream = await openRaw(stranger, addressOf(reader.peer), protocol);
    stream.send(bytes);
    await stream.close();
    assert.equal(((await ended) as { code: string }).code, 'E_TRUNCATED');
  }
});

test('a reset stream and a connection that breaks are never a clean end', async (t) => {
  const reader = await startReader(t);
  for (const cut of ['stream', 'connection'] as const) {
    const stranger = await startStranger(t);
    const ended = reader.next();
    const stream = await openRaw(stranger, addressOf(reader.peer), protocol);
    stream.send(encodeFrame(beat));
    if (cut === 'stream') stream.abort(new Error('away'));
    else stranger.getConnections()[0]?.abort(new Error('away'));
    assert.equal(((await ended) as { code: string }).code, 'E_TRUNCATED');
  }
});

test('a frame that arrives byte by byte is read, and an aborted read continues later', async (t) => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const provider = await startPeer(t);
  const stranger = await startStranger(t);
  const accepted = acceptOne(provider, held);
  const stream = await openRaw(stranger, addressOf(provider), protocol);
  const bytes = encodeFrame({ t: 'tokens', i: 0, tokens: [7], text: 'slow' });
  for (const byte of bytes.subarray(0, -1)) {
    stream.send(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const frames = await accepted;
  const reason = new Error('no time');
  await assert.rejects(frames.read(['tokens'], { signal: AbortSignal.abort(reason) }), reason);
  const giveUp = new AbortController();
  const read = frames.read(['tokens'], { signal: giveUp.signal });
  giveUp.abort(reason);
  await assert.rejects(read, reason);
  stream.send(bytes.subarray(-1));
  assert.deepEqual(await frames.read(['tokens']), { t: 'tokens', i: 0, tokens: [7], text: 'slow' });
  release();
});

test('a frame read with its bytes is forwarded byte for byte, however it was cut', async (t) => {
  const sent: readonly Frame[] = [
    { t: 'accept', promptTokens: [1, 70_000], inputDigest: new Uint8Array(32).fill(9), tail: 'π' },
    { t: 'tokens', i: 0, tokens: [7], text: 'π'.repeat(3000) },
    { t: 'head', body: new Uint8Array(300).fill(1), sig: new Uint8Array(64).fill(2) },
    beat,
  ];
  const allowed = ['accept', 'tokens', 'head', 'beat'] as const;
  const reader = await startReader(t, allowed);
  const router = await startPeer(t);
  const upstream = await startPeer(t, { role: 'client' });
  const frames: Frame[] = [];
  const bytes: Uint8Array[] = [];
  await router.handle(protocol, async (stream) => {
    const onward = await upstream.open(addressOf(reader.peer), protocol);
    const all: RawFrame<(typeof allowed)[number]>[] = [];
    for (let raw = await stream.readRaw(allowed); raw !== null; raw = await stream.readRaw(allowed)) all.push(raw);
    // Kept until all have arrived: a later frame must not overwrite an earlier one.
    frames.push(...all.map(({ frame }) => frame));
    bytes.push(...all.map((raw) => raw.bytes));
    for (const raw of all) await onward.forward(raw.bytes);
    await onward.close();
  });
  const stranger = await startStranger(t);
  const wire = Buffer.concat(sent.map((frame) => encodeFrame(frame)));
  for (const cut of [wire.length, 1000, 7]) {
    reader.frames.length = 0;
    const ended = reader.next();
    const stream = await openRaw(stranger, addressOf(router), protocol);
    for (let at = 0; at < wire.length; at += cut) stream.send(wire.subarray(at, at + cut));
    await stream.close();
    assert.equal(await ended, null);
    assert.deepEqual(reader.frames, sent);
    assert.deepEqual(frames.splice(0), sent);
    assert.deepEqual(Buffer.concat(bytes.splice(0)), wire);
  }
});

test('a writer waits for a reader that does not read; nothing piles up, and nothing is lost', async (t) => {
  let go = (): void => {};
  const mayRead = new Promise<void>((resolve) => (go = resolve));
  const total = 400;
  const received: number[] = [];
  const reader = await startPeer(t);
  const done = new Promise<void>((resolve) => {
    void reader.handle(protocol, async (stream) => {
      await mayRead;
      for (let frame = await stream.read(['tokens']); frame !== null; frame = await stream.read(['tokens']))
        if (frame.t === 'tokens') received.push(frame.i);
      resolve();
    });
  });
  const writer = await startPeer(t, { role: 'client' });
  const stream = await writer.open(addressOf(reader), protocol);
  let written = 0;
  const text = 'x'.repeat(60_000);
  const writing = (async () => {
    for (let i = 0; i < total; i++) {
      await stream.write({ t: 'tokens', i, tokens: [], text });
      written++;
    }
    await stream.close();
  })();
  // The writer comes to a halt: as many rounds of the event loop without progress as it needs to fill every buffer.
  for (let still = 0, before = -1; still < 200; still = written === before ? still + 1 : 0) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(written * text.length < 3 << 20, `${written} frames were taken while nobody read`);
  go();
  await writing;
  await done;
  assert.deepEqual(
    received,
    Array.from({ length: total }, (_, i) => i),
  );
});

test('a write to a side that never reads fails in the time allowed and resets the stream', async (t) => {
  const reader = await startPeer(t);
  const ended = Promise.withResolvers<unknown>();
  const stalled = Promise.withResolvers<void>();
  await reader.handle(protocol, async (stream) => {
    await stalled.promise;
    try {
      while ((await stream.read(['tokens'])) !== null);
      ended.resolve(null);
    } catch (error) {
      ended.resolve(error);
    }
  });
  const stranger = await startStranger(t);
  const raw = await openRaw(stranger, addressOf(reader), protocol);
  const remote = { peer: reader.id, publicKey: reader.key.publicKey };
  const writer = new LibP2PFrameStream(raw, remote, { stallTimeoutMs: 100 });
  const writing = (async () => {
    for (let i = 0; ; i++) await writer.write({ t: 'tokens', i, tokens: [], text: 'x'.repeat(60_000) });
  })();
  await assert.rejects(writing, { code: 'E_TIMEOUT', message: /has not read for 0.1 s/ });
  stalled.resolve();
  assert.equal(((await ended.promise) as { code?: string } | null)?.code, 'E_TRUNCATED');
});

test('a frame of 8 MiB goes through', async (t) => {
  const reader = await startReader(t, ['receipt']);
  const client = await startPeer(t, { role: 'client' });
  const receipt = Uint8Array.from(randomBytes((8 << 20) - 100));
  const stream = await client.open(addressOf(reader.peer), protocol);
  const ended = reader.next();
  await stream.write({ t: 'receipt', receipt });
  await stream.close();
  assert.equal(await ended, null);
  const [frame] = reader.frames;
  assert.ok(frame?.t === 'receipt' && Buffer.compare(frame.receipt, receipt) === 0);
});

test('writes keep their order, also while large ones wait', async (t) => {
  const reader = await startReader(t, ['audit', 'beat', 'stop']);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(reader.peer), protocol);
  const ended = reader.next();
  const large: Frame = { t: 'audit', receipt: new Uint8Array(3 << 20) };
  await Promise.all([stream.write(large), stream.write(beat), stream.write(large), stream.write({ t: 'stop' })]);
  await stream.close();
  assert.equal(await ended, null);
  assert.deepEqual(
    reader.frames.map((frame) => frame.t),
    ['audit', 'beat', 'audit', 'stop'],
  );
});

test('an error in a handler is sent as internal and ends that stream alone', async (t) => {
  const provider = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  let calls = 0;
  await provider.handle(protocol, async (stream) => {
    if (calls++ === 0) throw new TypeError('a bug');
    await stream.write(beat);
  });
  const failed = await client.open(addressOf(provider), protocol);
  assert.deepEqual(await failed.read(['error']), { t: 'error', code: 'internal', message: 'this node failed' });
  assert.equal(await failed.read(['error']), null);
  const fine = await client.open(addressOf(provider), protocol);
  assert.deepEqual(await fine.read(['beat']), beat);
});

test('10,000 frames of junk do not harm the node', async (t) => {
  const reader = await startReader(t);
  const stranger = await startStranger(t);
  const address = addressOf(reader.peer);
  let refused = 0;
  for (let sent = 0; sent < 10_000; ) {
    const stream = await openRaw(stranger, address, protocol).catch(() => null);
    if (stream === null) {
      // Banned by now.
      refused++;
      if (refused > 3) break;
      continue;
    }
    const answer = everything(stream);
    try {
      for (let burst = 0; burst < 100; burst++, sent++) stream.send(framed(randomBytes(20)));
    } catch {
      // The stream was reset meanwhile.
    }
    await answer;
  }
  assert.ok(refused > 3, 'whoever goes on is shut out');
  const client = await startPeer(t, { role: 'client' });
  const ended = reader.next();
  const stream = await client.open(address, protocol);
  await stream.write(beat);
  await stream.close();
  assert.equal(await ended, null);
});

test('200 streams at once are all answered', async (t) => {
  const provider = await startPeer(t);
  await provider.handle(protocol, async (stream) => void (await stream.write(beat)), { maxInboundStreams: 256 });
  const client = await startPeer(t, { role: 'client' });
  await client.connect(addressOf(provider));
  const answers = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const stream = await client.open(provider.id, protocol);
      return stream.read(['beat']);
    }),
  );
  assert.equal(answers.filter((frame) => frame?.t === 'beat').length, 200);
});

test('streams beyond the limit of a connection or of a peer are answered busy', async (t) => {
  const provider = await startPeer(t);
  const free = Promise.withResolvers<void>();
  await provider.handle(
    protocol,
    async (stream) => {
      await free.promise;
      await stream.write(beat);
    },
    { maxInboundStreams: 4 },
  );
  const client = await startPeer(t, { role: 'client' });
  await client.connect(addressOf(provider));
  const streams = await Promise.all(Array.from({ length: 5 }, () => client.open(provider.id, protocol)));
  assert.deepEqual(await Promise.race(streams.map((stream) => stream.read(['beat', 'busy']))), { t: 'busy' });
  const more = await Promise.allSettled(Array.from({ length: 300 }, () => client.open(provider.id, protocol)));
  const refused = more.flatMap((each) => (each.status === 'rejected' ? [each.reason as QvacError] : []));
  assert.ok(refused.length >= 300 - 256 && refused.every(({ code }) => code === 'E_BUSY'), refused.map(String).join());
  assert.deepEqual(client.connected(), [provider.id]);
  free.resolve();
});

test('a peer that opens thousands of streams is disconnected, and others are served', async (t) => {
  const provider = await startPeer(t, { limits: { streamBurst: 300, streamsPerSecond: 10 } });
  await provider.handle(protocol, async (stream) => void (await stream.write(beat)), { maxInboundStreams: 64 });
  const bystander = await startPeer(t, { role: 'client' });
  await bystander.connect(addressOf(provider));
  const stranger = await startStranger(t);
  const gone = once(provider.events, 'disconnect');
  const first = await openRaw(stranger, addressOf(provider), protocol);
  const [connection] = stranger.getConnections();
  first.abort(new Error('done'));
  for (let opened = 0; opened < 5000 && connection?.status === 'open'; opened += 20) {
    // Protocols that this node does not even speak count as well.
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        connection.newStream(i % 2 === 0 ? protocol : '/unknown/1').then(
          (stream) => stream.abort(new Error('next')),
          () => undefined,
        ),
      ),
    );
  }
  const [peer] = await gone;
  assert.equal(peer, stranger.peerId.toString());
  const stream = await bystander.open(provider.id, protocol);
  assert.deepEqual(await stream.read(['beat']), beat);
});
