import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex } from '../../../src/lib/bytes.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { FrameStream } from '../../../src/node/streams/streams.ts';
import { encodeHead } from '../../../src/proofs/head.ts';
import { type SigningKey, signBody } from '../../../src/proofs/signing.ts';
import { MerkleTree } from '../../../src/proofs/tree/tree.ts';
import { inputDigestOf, jobIdOf, textDigestOf } from '../../../src/protocol/digests.ts';
import type { FrameOf } from '../../../src/protocol/frames.ts';
import { type Ack, ackStop, finish, kinds } from '../../../src/protocol/messages.ts';
import { decodeAck, decodeOffer } from '../../../src/protocol/validate.ts';
import { movedClock } from '../../support/clock.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { startMarketProcess } from '../../support/market-process.ts';
import { askRouter, code, receiveAnswer, startBadProvider, startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

async function takeOffer(stream: FrameStream): Promise<FrameOf<'offer'>> {
  const offer = await stream.read(['offer']);
  if (offer === null) throw new Error('no offer came');
  return offer;
}

/** The accept of an honest provider of the scripted model. */
function acceptOf(offer: FrameOf<'offer'>): FrameOf<'accept'> {
  const { tokens: promptTokens, tail } = createScriptedEngine().tokenizer.encodePrompt(offer.input);
  const inputDigest = inputDigestOf(decodeOffer(offer.body).modelId, promptTokens);
  return { t: 'accept', promptTokens, inputDigest, tail };
}

/** The final head of an honest provider of the scripted model that goes on no further than its accept. */
function brokenOffAtOnce(offer: FrameOf<'offer'>, key: SigningKey): FrameOf<'head'> {
  const { promptTokens, inputDigest } = acceptOf(offer);
  const jobId = jobIdOf(offer.body);
  const body = encodeHead({
    version: 1,
    jobId: fromHex(jobId),
    n: 0,
    root: new MerkleTree().root(),
    prefix: inputDigest,
    textDigest: textDigestOf(''),
    inputDigest,
    execClass: decodeOffer(offer.body).execClass,
    promptCount: promptTokens.length,
    finish: finish.brokenOff,
  });
  return { t: 'head', ...signBody(key, kinds.head, jobId, body) };
}

/** Waits until the other side closes or resets the stream. */
async function untilLeft(stream: FrameStream): Promise<'ended' | 'reset'> {
  try {
    while ((await stream.read(['ack', 'challenge', 'verdict'])) !== null);
    return 'ended';
  } catch {
    return 'reset';
  }
}

describe('a router turns to another provider', () => {
  const failures: readonly (readonly [what: string, answer: (stream: FrameStream, peer: Peer) => Promise<void>])[] = [
    ['is busy', async (stream) => (await takeOffer(stream), await stream.write({ t: 'busy' }))],
    [
      'answers with an error',
      async (stream) => (
        await takeOffer(stream), await stream.write({ t: 'error', code: 'internal', message: 'broken' })
      ),
    ],
    [
      'answers with an unknown error',
      async (stream) => (await takeOffer(stream), await stream.write({ t: 'error', code: 'what', message: '' })),
    ],
    ['ends without a word', async (stream) => void (await takeOffer(stream))],
    ['resets the stream', async (stream) => (await takeOffer(stream), stream.abort(new Error('no')))],
    [
      'accepts another prompt than it says',
      async (stream) => stream.write({ ...acceptOf(await takeOffer(stream)), inputDigest: new Uint8Array(32) }),
    ],
    [
      'accepts and breaks off',
      async (stream) => (await stream.write(acceptOf(await takeOffer(stream))), stream.abort(new Error('no'))),
    ],
    [
      'accepts and then is busy',
      async (stream) => (await stream.write(acceptOf(await takeOffer(stream))), await stream.write({ t: 'busy' })),
    ],
    [
      'sends frames out of order',
      async (stream) => (await takeOffer(stream), await stream.write({ t: 'tokens', i: 0, tokens: [65], text: 'A' })),
    ],
    [
      'sends a frame of another protocol',
      async (stream) => (await takeOffer(stream), await stream.write({ t: 'stop' })),
    ],
    [
      'accepts and ends with finish 3 over nothing',
      async (stream, peer) => {
        const offer = await takeOffer(stream);
        await stream.write(acceptOf(offer));
        await stream.write(brokenOffAtOnce(offer, peer.key));
        await untilLeft(stream);
      },
    ],
    [
      'sends a malformed head',
      async (stream) => (
        await stream.write(acceptOf(await takeOffer(stream))),
        await stream.write({ t: 'head', body: new Uint8Array(202), sig: new Uint8Array(64) })
      ),
    ],
  ];
  for (const [what, answer] of failures) {
    it(`from one that ${what}`, async (context) => {
      const bad = await startBadProvider(context, answer);
      const good = await startProvider(context);
      const router = await startRouter(context, { providers: [bad, good] });
      const { picked, verdict, refused } = await receiveAnswer(await askRouter(context, router));
      assert.deepEqual(picked, [bad.peer.id, good.peer.id]);
      assert.deepEqual([verdict?.verdict.result, refused], ['pass', null]);
      assert.ok(
        router.reputation.standing(bad.peer.id).reliability < router.reputation.standing(good.peer.id).reliability,
      );
    });
  }

  it('from one that does not know the protocol', async (context) => {
    const bad = await startBadProvider(context, null);
    const good = await startProvider(context);
    const router = await startRouter(context, { providers: [bad, good] });
    const { picked, verdict } = await receiveAnswer(await askRouter(context, router));
    assert.deepEqual([picked, verdict?.verdict.result], [[bad.peer.id, good.peer.id], 'pass']);
  });

  it('from one that died since it was seen, which is not even named', async (context) => {
    const bad = await startBadProvider(context, null);
    const good = await startProvider(context);
    const router = await startRouter(context, { providers: [bad, good] });
    await bad.peer.stop();
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [good.peer.id]);
  });

  it('from one that accepts and then only beats, which is stopped at 0 tokens, and whose later fault concerns nobody', async (context) => {
    const stopped = Promise.withResolvers<Pick<Ack, 'n' | 'stop'> | null>();
    const over = Promise.withResolvers<void>();
    const bad = await startBadProvider(context, async (stream, peer) => {
      const offer = await takeOffer(stream);
      await stream.write(acceptOf(offer));
      const beating = setInterval(() => void stream.write({ t: 'beat' }).catch(() => undefined), 100);
      const frame = await stream.read(['ack']).finally(() => clearInterval(beating));
      stopped.resolve(frame === null ? null : decodeAck(frame.body));
      await stream.write({ t: 'tokens', i: 0, tokens: [65], text: 'A' });
      await stream.write({ ...brokenOffAtOnce(offer, peer.key), sig: new Uint8Array(64) });
      await untilLeft(stream);
      over.resolve();
    });
    const good = await startProvider(context, {
      script: { beforeStep: (i) => (i < 4 ? Promise.resolve() : over.promise) },
    });
    const router = await startRouter(context, { providers: [bad, good] });
    const question = await askRouter(context, router, { timeouts: { totalMs: 12_000 } });
    const { picked, verdict, refused } = await receiveAnswer(question);
    assert.deepEqual(picked, [bad.peer.id, good.peer.id]);
    assert.deepEqual([verdict?.verdict.result, refused], ['pass', null]);
    const ack = await stopped.promise;
    assert.deepEqual([ack?.n, ack?.stop], [0, ackStop.cancel]);
  });

  it('from one that is busy, whatever the date becomes meanwhile', async (context) => {
    const clock = movedClock();
    const bad = await startBadProvider(context, async (stream) => {
      await takeOffer(stream);
      clock.move(50_000);
      await stream.write({ t: 'busy' });
    });
    const good = await startProvider(context, {
      script: { beforeStep: async (i) => clock.move(i === 20 ? -100_000 : 0) },
    });
    const router = await startRouter(context, { providers: [bad, good], clock });
    const { picked } = await receiveAnswer(await askRouter(context, router, { timeouts: { totalMs: 40_000 } }));
    assert.deepEqual(picked, [bad.peer.id, good.peer.id]);
    const { totalMs } = await router.events.until('answered');
    assert.ok(totalMs >= 0 && totalMs < 40_000, `${totalMs} ms`);
  });

  it('from one that is frozen before it accepts, whose stream is reset', async (context) => {
    const left = Promise.withResolvers<string>();
    const bad = await startBadProvider(context, async (stream) => {
      await takeOffer(stream);
      left.resolve(await untilLeft(stream));
    });
    const good = await startProvider(context);
    const router = await startRouter(context, { providers: [bad, good] });
    assert.deepEqual(
      (await receiveAnswer(await askRouter(context, router, { timeouts: { totalMs: 12_000 } }))).picked,
      [bad.peer.id, good.peer.id],
    );
    assert.equal(await left.promise, 'reset');
  });
});

describe('a router gives up', () => {
  it('after three providers', async (context) => {
    let offers = 0;
    const bad = await Promise.all(
      Array.from({ length: 5 }, () =>
        startBadProvider(context, async (stream) => {
          await takeOffer(stream);
          offers += 1;
          await stream.write({ t: 'error', code: 'internal', message: '' });
        }),
      ),
    );
    const router = await startRouter(context, { providers: bad });
    await assert.rejects(receiveAnswer(await askRouter(context, router)), code('E_FAILED'));
    assert.equal(offers, 3);
  });

  it('with busy if every provider is busy', async (context) => {
    const bad = await startBadProvider(
      context,
      async (stream) => (await takeOffer(stream), await stream.write({ t: 'busy' })),
    );
    const router = await startRouter(context, { providers: [bad] });
    await assert.rejects(receiveAnswer(await askRouter(context, router)), code('E_BUSY'));
  });

  it('on a provider that broke off twice in a row, and says so, as long as it knows another one', async (context) => {
    const bad = await startBadProvider(
      context,
      async (stream) => (await takeOffer(stream), await stream.write({ t: 'error', code: 'internal', message: '' })),
    );
    const router = await startRouter(context, { providers: [bad] });
    // Without another one it is asked again.
    for (let time = 0; time < 3; time++)
      await assert.rejects(receiveAnswer(await askRouter(context, router)), code('E_FAILED'));
    const good = await startProvider(context);
    await router.discovery.get(good.address);
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [good.peer.id]);
    const { considered } = await router.events.until('answered');
    const why = considered.find(({ peer }) => peer === bad.peer.id);
    assert.ok(
      why !== undefined && 'detail' in why && /broke off 2 jobs in a row/.test(why.detail),
      JSON.stringify(why),
    );
  });

  it('once a token was passed on and no other provider holds the model, with failed', async (context) => {
    const failing = await startProvider(context, {
      script: {
        beforeStep: async (i) => {
          if (i === 4) throw new Error('out of memory');
        },
      },
    });
    const other = await startProvider(context, { script: { weights: 'another', name: 'another' } });
    const router = await startRouter(context, { providers: [failing, other] });
    const { job } = await askRouter(context, router);
    await assert.rejects(
      receiveAnswer({ job }),
      (error) => code('E_FAILED')(error) && /broke off after 4 tokens/.test((error as Error).message),
    );
    assert.deepEqual([job.received.n, job.received.final?.finish], [4, finish.brokenOff]);
    assert.equal(other.events.all.length, 0);
    const { aborted, served, faults } = router.reputation.standing(failing.peer.id);
    assert.deepEqual([aborted > 0.9, served, faults], [true, 0, 0]);
    // What it signed is kept.
    await router.events.until('failed');
    assert.deepEqual(
      [...router.receipts.values()].map(({ tokens }) => tokens.length),
      [4],
    );
  });

  for (const [signal, expected] of [
    ['SIGKILL', 'E_FAILED'],
    ['SIGSTOP', 'E_TIMEOUT'],
  ] as const) {
    it(`on a process that gets ${signal} in the middle of its answer, with an error`, async (context) => {
      const provider = await startMarketProcess(context, { role: 'provider', stepMs: 20 });
      const router = await startRouter(context, { providers: [provider] });
      const { job } = await askRouter(context, router, {
        sampler: { ...testSampler, maxTokens: 1_000, extra: new Uint8Array() },
        timeouts: { totalMs: 8_000 },
      });
      let tokens = 0;
      const receiving = (async () => {
        for await (const news of job.frames()) {
          if (news.t !== 'tokens') continue;
          if (tokens === 0) provider.child.kill(signal);
          tokens += news.tokens.length;
        }
      })();
      await assert.rejects(receiving, (error) => code(expected)(error) || code('E_FAILED')(error));
      assert.ok(tokens > 0);
      assert.equal(router.receipts.size, 0);
    });
  }

  it('on a prompt of 1 MB, whose refusal does not count against the provider', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const input = { ...testInput, messages: [{ role: 'user', content: 'a'.repeat(1_000_000) }] };
    for (let time = 0; time < 3; time++) {
      await assert.rejects(
        receiveAnswer(await askRouter(context, router, { input })),
        (error) => code('E_NO_PROVIDER')(error) && /longer than the context/.test((error as Error).message),
      );
    }
    assert.equal(router.reputation.standing(provider.peer.id).aborted, 0);
    assert.equal((await receiveAnswer(await askRouter(context, router))).verdict?.verdict.result, 'pass');
  });

  it('in time, with timeout, on one that gives no complete answer', async (context) => {
    const gate = Promise.withResolvers<void>();
    const slow = await startProvider(context, {
      script: { beforeStep: (i) => (i < 4 ? Promise.resolve() : gate.promise) },
    });
    const router = await startRouter(context, { providers: [slow] });
    await assert.rejects(
      receiveAnswer(await askRouter(context, router, { timeouts: { totalMs: 6_000 } })),
      code('E_TIMEOUT'),
    );
    gate.resolve();
    await slow.events.until('job-failed');
    const standing = router.reputation.standing(slow.peer.id);
    assert.equal(standing.aborted, 0, 'a short timeout does not count against a provider');
  });
});
