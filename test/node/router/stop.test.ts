import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { RouteNews } from '../../../src/node/client/routed/route/route.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import type { FrameStream } from '../../../src/node/streams/streams.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { decodeHead, isFinal } from '../../../src/proofs/head.ts';
import { routeProtocol } from '../../../src/protocol/constants.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { ackStop, finish, modes } from '../../../src/protocol/messages.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { startProvider, type TestProvider, testInput, testSampler } from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';
import {
  askRouter,
  code,
  receiveAnswer,
  startRouter,
  type TestQuestion,
  withTamperedAnswers,
} from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';
import { testSeed } from '../../support/seeds.ts';

/** A provider that pauses its answer before step `at` until released. */
async function startHeld(
  context: Parameters<typeof startProvider>[0],
  at: number,
): Promise<{ readonly provider: TestProvider; release(): void }> {
  const gate = Promise.withResolvers<void>();
  const provider = await startProvider(context, {
    script: {
      beforeStep: (i, signal) =>
        i < at
          ? Promise.resolve()
          : Promise.race([
              gate.promise,
              new Promise<never>((_, reject) =>
                signal?.addEventListener('abort', () => reject(signal.reason as Error)),
              ),
            ]),
    },
  });
  return { provider, release: () => gate.resolve() };
}

/** Takes frames until one fits. */
async function until(frames: AsyncIterator<RouteNews>, fits: (news: RouteNews) => boolean): Promise<void> {
  for (;;) {
    const { value, done } = await frames.next();
    if (done === true) throw new Error('the answer ended before');
    if (fits(value)) return;
  }
}

async function takeRest({ job }: TestQuestion, frames: AsyncIterator<RouteNews>) {
  while ((await frames.next()).done !== true);
  return job.conclude();
}

describe('a person who stops', () => {
  it('gets what was passed on by then, with an acknowledgement that counts it, challenged and checked', async (context) => {
    const { provider } = await startHeld(context, 10);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const question = await askRouter(context, router, { verify: 'full' });
    const frames = question.job.frames()[Symbol.asyncIterator]();
    await until(frames, () => question.job.picked !== null && question.job.received.n === 10);
    await question.job.stop();
    const { receipt, verdict, refused } = await takeRest(question, frames);

    assert.equal(question.job.received.final?.finish, finish.cancelled);
    assert.ok(receipt.ack !== null);
    const { n, stop } = decodeAck(receipt.ack.body);
    assert.deepEqual([n, stop], [10, ackStop.cancel]);
    assert.equal(receipt.tokens.length, 10);
    assert.equal(assess(receipt, {}).result, 'pass');
    assert.deepEqual([verdict?.verdict.result, verdict?.verdict.tier, refused], ['pass', 'exact', null]);
  });

  it('before the accept receives `stopped`, and the provider’s stream is reset', async (context) => {
    const { provider } = await startHeld(context, 0);
    const client = await startPeer(context, { role: 'client' });
    const router = await startRouter(context, { providers: [provider] });
    // The only slot is taken, so that the next offer waits in the provider's queue.
    const first = await askRouter(context, router, {}, client);
    const firstFrames = first.job.frames()[Symbol.asyncIterator]();
    await until(firstFrames, ({ t }) => t === 'picked');
    const second = await askRouter(context, router, {}, client);
    await second.job.stop();
    await assert.rejects(receiveAnswer(second), code('E_INTERRUPTED'));
    assert.equal(router.reputation.standing(provider.peer.id).aborted, 0);
  });

  it('by closing the stream stops the job: the slot is freed and the receipt stored', async (context) => {
    const { provider } = await startHeld(context, 10);
    const router = await startRouter(context, { providers: [provider] });
    const question = await askRouter(context, router);
    const frames = question.job.frames()[Symbol.asyncIterator]();
    await until(frames, () => question.job.picked !== null && question.job.received.n === 10);
    question.job.abort(new Error('killed'));
    const finished = await provider.events.until('job-finished');
    assert.equal(finished.finish, finish.cancelled);
    const ended = await router.events.until('answered');
    assert.equal(ended.result, 'inconclusive');
    assert.equal(provider.engine.slots.used, 0);
    assert.equal(router.receipts.get(ended.jobId)?.tokens.length, 10);
  });

  it('after the final head is ignored', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const client = await startPeer(context, { role: 'client' });
    const { stream, secret } = await rawQuestion(client, router.address);
    const seen = await readUntil(stream, (frame) => frame.t === 'head' && isFinal(decodeHead(frame.body)));
    assert.ok(seen.includes('accept'));
    await stream.write({ t: 'stop' });
    await stream.write({ t: 'challenge', secret });
    assert.deepEqual(
      (await readUntil(stream, (frame) => frame.t === 'receipt')).filter((t) => t !== 'beat'),
      ['opening', 'verdict', 'receipt'],
    );
  });
});

describe('a person whose client', () => {
  // Every token drawn again equal needs no opening (section 4.4).
  for (const [engine, result, tier] of [
    [createScriptedEngine(), 'pass', 'exact'],
    [null, 'inconclusive', 'sampling'],
  ] as const) {
    it(`leaves after the answer still has it checked, without an opening: ${result}`, async (context) => {
      const provider = await startProvider(context);
      const router = await startRouter(context, { providers: [provider], engines: engine === null ? [] : [engine] });
      const verify = engine === null ? 'sampling' : 'full';
      const question = await askRouter(context, router, { verify });
      for await (const news of question.job.frames()) void news;
      question.job.abort(new Error('gone'));
      const ended = await router.events.until('answered');
      assert.deepEqual([ended.result, ended.tier, ended.faults.length], [result, tier, 0]);
      assert.equal(router.reputation.standing(provider.peer.id).faults, 0);
      const [receipt] = router.receipts.values();
      assert.equal(receipt?.opening, null);
      assert.equal(receipt.verdicts.length, 1);
      await provider.events.until('job-verdict');
    });
  }

  it('reads slowly slows the provider down, and receives everything', async (context) => {
    const provider = await startProvider(context, { script: { context: 16_384 } });
    const router = await startRouter(context, { providers: [provider] });
    const question = await askRouter(context, router, {
      sampler: { ...testSampler, maxTokens: 3_000, extra: new Uint8Array() },
    });
    let frames = 0;
    for await (const news of question.job.frames()) {
      void news;
      // A pause in which the provider and the router run as far as they can.
      if (++frames % 50 === 0) for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    }
    const { refused, verdict } = await question.job.conclude();
    assert.deepEqual([question.job.received.n, verdict?.verdict.result, refused], [3_000, 'pass', null]);
  });

  it('challenges before the final head, or with another secret, has broken the protocol', async (context) => {
    const { provider, release } = await startHeld(context, 10);
    const router = await startRouter(context, { providers: [provider] });
    const client = await startPeer(context, { role: 'client' });
    const early = await rawQuestion(client, router.address);
    await readUntil(early.stream, ({ t }) => t === 'accept');
    await early.stream.write({ t: 'challenge', secret: early.secret });
    assert.equal((await readUntil(early.stream, ({ t }) => t === 'error')).at(-1), 'error');
    release();
    const other = await rawQuestion(client, router.address);
    await readUntil(other.stream, (frame) => frame.t === 'head' && isFinal(decodeHead(frame.body)));
    await other.stream.write({ t: 'challenge', secret: new Uint8Array(32) });
    assert.equal((await readUntil(other.stream, ({ t }) => t === 'error' || t === 'verdict')).at(-1), 'error');
  });
});

describe('silence', () => {
  it('of the provider after a challenge is a fault to the router and inconclusive to the client', async (context) => {
    const provider = await startProvider(context, {
      wrapPeer: (peer) =>
        withTamperedAnswers(peer, (frame) =>
          frame.t === 'opening' ? [{ t: 'error', code: 'gone', message: '' }] : [frame],
        ),
    });
    const router = await startRouter(context, { providers: [provider] });
    const answer = await receiveAnswer(await askRouter(context, router));
    assert.equal(answer.opening, null);
    assert.equal(assess(answer.receipt, {}).result, 'inconclusive');
    assert.deepEqual(answer.verdict?.verdict.faults, ['silence']);
    assert.equal(router.reputation.standing(provider.peer.id).lastFault, 'silence');
  });
});

/** A question over a bare stream, for a dishonest client. */
async function rawQuestion(
  client: Peer,
  address: string,
): Promise<{ readonly stream: FrameStream; readonly secret: Uint8Array }> {
  const secret = Uint8Array.from(randomBytes(32));
  const stream = await client.open(address, routeProtocol);
  await stream.write({
    t: 'route',
    input: testInput,
    model: 'scripted',
    sampler: { ...testSampler, extra: new Uint8Array() },
    seed: testSeed,
    commit: sha256(secret),
    count: 16,
    mode: modes.merkle,
    verify: 'sampling',
    maxPrice: 0,
    timeout: 60_000,
  });
  return { stream, secret };
}

/** The types of the frames up to the first matching one. */
async function readUntil(stream: FrameStream, fits: (frame: Frame) => boolean): Promise<readonly string[]> {
  const seen: string[] = [];
  for (;;) {
    const frame = await stream.read([
      'picked',
      'accept',
      'tokens',
      'head',
      'ack',
      'beat',
      'opening',
      'verdict',
      'receipt',
      'busy',
      'error',
    ]);
    if (frame === null) throw new Error(`the stream ended after ${seen.join(' ')}`);
    seen.push(frame.t);
    if (fits(frame)) return seen;
  }
}
