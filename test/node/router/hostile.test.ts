import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { encodeCbor } from '../../../src/protocol/codec.ts';
import { auditProtocol, routeProtocol } from '../../../src/protocol/constants.ts';
import { decodeFrame } from '../../../src/protocol/frame-codec.ts';
import { everything, framed, openRaw, startStranger } from '../../support/hostile.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';
import { askRouter, code, receiveAnswer, startRouter } from '../../support/router.ts';

const question = {
  t: 'route',
  input: testInput,
  model: 'scripted',
  sampler: { ...testSampler, extra: new Uint8Array() },
  seed: new Uint8Array(32),
  commit: new Uint8Array(32),
  count: 16,
  mode: 'merkle',
  verify: 'sampling',
  maxPrice: 0,
  timeout: 60_000,
};

function without<Key extends string>(map: Readonly<Record<Key, unknown>>, key: Key): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(map).filter(([name]) => name !== key));
}

describe('a router under junk', () => {
  const junk: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ['text', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')],
    ['a frame of 9 MiB', framed(new Uint8Array(0), 9 << 20)],
    ['a frame of 2^32 − 1 bytes', framed(new Uint8Array(0), 2 ** 32 - 1)],
    ['an empty frame', framed(new Uint8Array(0))],
    ['CBOR that is no map', framed(encodeCbor([1, 2, 3]))],
    [
      'a frame of another protocol',
      framed(
        encodeCbor({
          t: 'ask',
          modelId: new Uint8Array(32),
          requestDigest: new Uint8Array(32),
          promptTokens: 1,
          maxTokens: 1,
        }),
      ),
    ],
    ['a question with an unknown field', framed(encodeCbor({ ...question, more: 1 }))],
    ['a question without a seed', framed(encodeCbor(without(question, 'seed')))],
    ['a question in mode fraud', framed(encodeCbor({ ...question, mode: 'fraud' }))],
    [
      'a question with temperature 201',
      framed(encodeCbor({ ...question, sampler: { ...testSampler, temperature: 201 } })),
    ],
    ['a question for no challenge', framed(encodeCbor({ ...question, count: 0 }))],
    ['a challenge before any question', framed(encodeCbor({ t: 'challenge', secret: new Uint8Array(32) }))],
  ];
  for (const protocol of [routeProtocol, auditProtocol]) {
    it(`answers bad-frame on ${protocol} and keeps serving`, async (context) => {
      const router = await startRouter(context);
      for (const [what, bytes] of junk) {
        const stranger = await startStranger(context);
        const stream = await openRaw(stranger, router.address, protocol);
        stream.send(bytes);
        const answer = await everything(stream);
        const frame = decodeFrame(answer.subarray(4), ['error']);
        assert.deepEqual(frame.t === 'error' && frame.code, 'bad-frame', what);
      }
      const provider = await startProvider(context);
      await router.discovery.get(provider.address);
      assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [provider.peer.id]);
    });
  }

  it('stops at once, whatever it waits for', async (context) => {
    const gate = Promise.withResolvers<void>();
    const provider = await startProvider(context, {
      script: { beforeStep: (i) => (i < 4 ? Promise.resolve() : gate.promise) },
    });
    const router = await startRouter(context, { providers: [provider] });
    const stranger = await startStranger(context);
    await openRaw(stranger, router.address, routeProtocol);
    await openRaw(stranger, router.address, auditProtocol);
    const { job } = await askRouter(context, router);
    const frames = job.frames()[Symbol.asyncIterator]();
    while ((await frames.next()).value?.t !== 'tokens');
    await router.router.stop();
    await assert.rejects(async () => {
      while ((await frames.next()).done !== true);
    }, code('E_FAILED'));
    assert.equal(router.router.active, 0);
    gate.resolve();
  });

  it('serves others while one peer opens 200 streams and sends nothing', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const stranger = await startStranger(context);
    for (let opened = 0; opened < 200; opened++)
      await openRaw(stranger, router.address, routeProtocol).catch(() => undefined);
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [provider.peer.id]);
  });

  it('is not held up by a client that asks and never reads', async (context) => {
    const provider = await startProvider(context, { script: { context: 16_384, slots: 2 } });
    const router = await startRouter(context, { providers: [provider] });
    const stranger = await startStranger(context);
    const stream = await openRaw(stranger, router.address, routeProtocol);
    stream.pause();
    stream.send(
      framed(encodeCbor({ ...question, commit: randomBytes(32), sampler: { ...testSampler, maxTokens: 8_000 } })),
    );
    const client = await startPeer(context, { role: 'client' });
    for (let time = 0; time < 3; time++)
      assert.equal((await receiveAnswer(await askRouter(context, router, {}, client))).picked.length, 1);
  });
});
