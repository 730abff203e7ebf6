import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { fromHex } from '../../../src/lib/bytes.ts';
import type { Job, JobInit } from '../../../src/node/job/job.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { assess } from '../../../src/proofs/checks.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { compareWithReferee } from '../../../src/proofs/score/compare.ts';
import { scoreRequestOf } from '../../../src/proofs/score/score-request.ts';
import { ackStallMs, jobProtocol } from '../../../src/protocol/constants.ts';
import { encodeExtra } from '../../../src/protocol/messages/extra.ts';
import { finish, modes, type Offer, payFrom } from '../../../src/protocol/messages.ts';
import { manualTimer } from '../../support/clock.ts';
import { createGate } from '../../support/gate.ts';
import { temporaryHome } from '../../support/home.ts';
import {
  openTestJob,
  receiveAll,
  startProvider,
  type TestProvider,
  testInput,
  testSampler,
} from '../../support/market.ts';
import { paidPrices, startPaidProvider } from '../../support/paid.ts';
import { startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { firstFrame, makeOffer, type RawOffer, readUntil, sendOffer } from '../../support/raw-offer.ts';
import { paidOffer, paidQuote, RawPaidJob } from '../../support/raw-paid-job.ts';

/** A checked answer of `provider`. */
async function answerOf(context: TestContext, provider: TestProvider, change: Partial<JobInit> = {}): Promise<Receipt> {
  const { job, secret } = await openTestJob(context, provider, change);
  await receiveAll(job);
  await job.challenge(secret);
  const receipt = job.received.receipt([]);
  assert.equal(assess(receipt, {}).result, 'pass');
  return receipt;
}

/** The init of the score job of `answer`. */
function scoreInit(answer: Receipt): Partial<JobInit> {
  const request = scoreRequestOf(answer);
  assert.ok(request !== null);
  return { ...request, mode: modes.score };
}

async function openScore(
  context: TestContext,
  referee: TestProvider,
  answer: Receipt,
  client?: Peer,
): Promise<{ readonly job: Job; readonly secret: Uint8Array }> {
  return openTestJob(context, referee, scoreInit(answer), client);
}

test('a provider scores the answer of another: one head, then all steps, which agree bit for bit', async (context) => {
  const [provider, referee] = [await startProvider(context), await startProvider(context)];
  const answer = await answerOf(context, provider);
  const { job, secret } = await openScore(context, referee, answer);
  const seen: string[] = [];
  for await (const frame of job.frames()) if (frame.t !== 'beat') seen.push(frame.t);
  assert.deepEqual(seen, ['accept', 'tokens', 'head']);
  assert.deepEqual([job.received.final?.finish, job.received.final?.n], [finish.scored, answer.tokens.length]);
  await job.challenge(secret);
  const score = job.received.receipt([]);
  assert.equal(assess(score, {}).result, 'pass');
  const comparison = compareWithReferee(answer, score);
  assert.deepEqual([comparison?.result, comparison?.tier], ['pass', 'exact']);
  assert.ok(referee.model().modes.includes('score'));
  await referee.events.until('job-opened');
  const kept = referee.receipts.get(job.jobId);
  assert.deepEqual(kept?.tokens, answer.tokens);
  assert.equal(JSON.parse(kept?.text ?? '').join(''), answer.text);
});

test('a referee of another class agrees statistically, one with other weights does not', async (context) => {
  const provider = await startProvider(context);
  const answer = await answerOf(context, provider, { sampler: { ...testSampler, maxTokens: 128 } });
  for (const [script, result, fault] of [
    [{ exec: { kernels: 'another' } }, 'pass', null],
    [{ exec: { kernels: 'another' }, damage: 2 }, 'fail', 'distribution-far'],
    [{ damage: 2 }, 'fail', 'exact-mismatch'],
  ] as const) {
    const referee = await startProvider(context, { script });
    const { job, secret } = await openScore(context, referee, answer);
    await receiveAll(job);
    await job.challenge(secret);
    const comparison = compareWithReferee(answer, job.received.receipt([]));
    assert.deepEqual([comparison?.result, comparison?.fault], [result, fault], JSON.stringify(script));
  }
});

test('a score runs while every slot is taken by an answer, and the answer goes on', async (context) => {
  const gate = createGate(5);
  const answer = await answerOf(context, await startProvider(context));
  const referee = await startProvider(context, { script: { slots: 1, queue: 0, beforeStep: gate.beforeStep } });
  const running = await openTestJob(context, referee);
  const received = receiveAll(running.job);
  await gate.reached;
  const { job, secret } = await openScore(context, referee, answer);
  await receiveAll(job);
  await job.challenge(secret);
  assert.deepEqual([referee.engine.slots.used, referee.engine.scoreSlots.used], [1, 0]);
  gate.open();
  await received;
  assert.equal(running.job.received.final?.finish, finish.length);
});

test('scores beyond the line get busy, and one whose client leaves frees its slot', async (context) => {
  const gate = createGate(0);
  const answer = await answerOf(context, await startProvider(context));
  const referee = await startProvider(context, {
    script: { queue: 1, beforeReplay: (signal) => gate.beforeStep(0, signal) },
  });
  const client = await startPeer(context, { role: 'client' });
  const first = await openScore(context, referee, answer, client);
  const left = assert.rejects(receiveAll(first.job), { code: 'E_TRUNCATED' });
  await gate.reached;
  const second = await openScore(context, referee, answer);
  const waiting = receiveAll(second.job);
  while (referee.engine.scoreSlots.waiting === 0) await new Promise((resume) => setImmediate(resume));
  const third = await openScore(context, referee, answer);
  await assert.rejects(receiveAll(third.job), { code: 'E_BUSY' });
  await client.stop();
  await left;
  await referee.events.until('job-failed');
  gate.open();
  await waiting;
  while (referee.engine.scoreSlots.used > 0) await new Promise((resume) => setImmediate(resume));
});

test('an answer whose opening is larger than that of any answer is scored and opened', async (context) => {
  const script = { context: 8192 };
  const provider = await startProvider(context, { script });
  const answer = await answerOf(context, provider, { sampler: { ...testSampler, maxTokens: 4_000 } });
  const { job, secret } = await openScore(context, provider, answer);
  await receiveAll(job);
  const opening = await job.challenge(secret);
  assert.ok(opening.body.length > 1 << 20, `${opening.body.length} bytes`);
  assert.equal(assess(job.received.receipt([]), {}).result, 'pass');
});

test('the opening of a score survives a restart of the referee', async (context) => {
  const [notes, steps] = [await temporaryHome(context), await temporaryHome(context)];
  const answer = await answerOf(context, await startProvider(context));
  const referee = await startProvider(context, { provider: { kept: { notes, steps } } });
  const { job, secret } = await openScore(context, referee, answer);
  await receiveAll(job);
  job.abort(new Error('the stream breaks'));
  await referee.provider.stop();
  await referee.provider.start();
  await job.challenge(secret);
  assert.equal(compareWithReferee(answer, job.received.receipt([]))?.result, 'pass');
});

test('a provider that serves no scores does not offer them', async (context) => {
  const provider = await startProvider(context, { script: { scoreSlots: 0 } });
  assert.equal(provider.model().modes.includes('score'), false);
  const { job } = await openScore(context, provider, await answerOf(context, provider));
  await assert.rejects(receiveAll(job), /mode score is not served/);
});

test('score offers that section 4.7 does not allow are refused', async (context) => {
  const provider = await startProvider(context);
  const client = await startPeer(context, { role: 'client' });
  const answer = await answerOf(context, provider);
  const request = scoreRequestOf(answer);
  assert.ok(request !== null);
  const { vocab, stops } = provider.model();
  const sampler = { ...request.sampler, vocab, stops, extra: null };
  const offer = (change: Partial<Offer>, init: Parameters<typeof makeOffer>[3] = {}): RawOffer =>
    makeOffer(provider, client, { mode: modes.score, start: 0, sampler, ...change }, { input: request.input, ...init });
  const cases: readonly (readonly [why: string, code: string, raw: RawOffer])[] = [
    ['another start', 'bad-offer', offer({ start: 3 })],
    ['fewer tokens', 'bad-offer', offer({ sampler: { ...sampler, maxTokens: sampler.maxTokens - 1 } })],
    ['more tokens', 'bad-offer', offer({ sampler: { ...sampler, maxTokens: sampler.maxTokens + 1 } })],
    ['a temperature', 'bad-offer', offer({ sampler: { ...sampler, temperature: 70 } })],
    ['a minP', 'bad-offer', offer({ sampler: { ...sampler, minP: 5 } })],
    ['a topP', 'bad-offer', offer({ sampler: { ...sampler, topP: 90 } })],
    ['penalties', 'bad-offer', offer({}, { extra: encodeExtra({ presence: 100 }) })],
    [
      'a token outside the vocabulary',
      'bad-input',
      offer({}, { input: { ...request.input, continuation: [...answer.tokens.slice(1), vocab] } }),
    ],
    ['another input', 'bad-offer', { ...offer({}), input: testInput }],
  ];
  for (const [why, code, raw] of cases) {
    const frame = await firstFrame(await sendOffer(provider, client, raw));
    assert.deepEqual([frame?.t, frame?.t === 'error' ? frame.code : null], ['error', code], why);
  }
  assert.equal((await firstFrame(await sendOffer(provider, client, offer({}))))?.t, 'accept');
});

test('a score whose client leaves, or that fails, ends without a head', async (context) => {
  const gate = createGate(0);
  const answer = await answerOf(context, await startProvider(context));
  const cancelled = await startProvider(context, {
    script: { beforeReplay: (signal) => gate.beforeStep(0, signal) },
  });
  const { job } = await openScore(context, cancelled, answer);
  const ended = assert.rejects(receiveAll(job), (error) => error instanceof QvacError);
  await gate.reached;
  job.abort(new Error('enough'));
  await ended;
  await cancelled.events.until('job-failed');
  const failing = await startProvider(context, {
    script: {
      beforeReplay: async () => {
        throw new Error('secret path /home/somebody');
      },
    },
  });
  const failed = await openScore(context, failing, answer);
  await assert.rejects(receiveAll(failed.job), /this provider failed/);
  assert.equal(failing.engine.scoreSlots.used, 0);
});

test('a paid score costs the prompt’s price for prompt and answer, and is opened once its head is acknowledged', async (context) => {
  const chain = await startChain(context);
  const answer = await answerOf(context, await startProvider(context));
  const timer = manualTimer();
  const { provider, paid, escrow } = await startPaidProvider(context, chain, { timer });
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const request = scoreRequestOf(answer);
  assert.ok(request !== null);
  const { vocab, stops } = provider.model();
  const open = async (): Promise<RawPaidJob> => {
    const raw = makeOffer(provider, peer, {}, { input: request.input });
    const quote = await paidQuote(provider, peer, {
      mode: modes.score,
      requestDigest: raw.offer.requestDigest,
      maxTokens: request.sampler.maxTokens,
    });
    const offer = {
      ...paidOffer(provider, peer, buyer.wallet, quote, {
        mode: modes.score,
        start: 0,
        requestDigest: raw.offer.requestDigest,
        sampler: { ...request.sampler, vocab, stops, extra: null },
      }),
      input: request.input,
    };
    await buyer.createJob({ authority: escrow.wallet, offer: offer.signed.body });
    const stream = await sendOffer(provider, peer, offer);
    context.after(() => stream.abort(new Error('the test is over')));
    return new RawPaidJob(offer, stream, peer, buyer.jobAddress(buyer.wallet, fromHex(offer.jobId)));
  };
  const priceOf = (tokens: number): bigint => BigInt(Math.ceil((tokens * paidPrices.priceIn) / 1_000));
  const submitted = async ({ raw: { jobId } }: RawPaidJob): Promise<bigint> =>
    (await paid.news.until('submitted', 60_000, ({ news }) => news.job === jobId)).news.lamports;

  const job = await open();
  assert.equal(job.raw.offer.payment.pay, payFrom.jobAccount);
  const { promptTokens } = await job.accept();
  await job.ack(0);
  const { n } = await job.final();
  await job.ack(n);
  await job.stream.write({ t: 'challenge', secret: job.raw.secret });
  const opening = await job.stream.read(['opening', 'beat'], { isScore: true });
  assert.equal(opening?.t, 'opening');
  assert.equal(await submitted(job), priceOf(promptTokens.length + n));

  // Without the acknowledgement of the head there is no opening, and the prompt alone is due.
  const eager = await open();
  await eager.accept();
  await eager.ack(0);
  await eager.final();
  await eager.stream.write({ t: 'challenge', secret: eager.raw.secret });
  assert.equal((await readUntil(eager.stream, 'error')).found.code, 'bad-frame');
  assert.equal(await submitted(eager), priceOf(promptTokens.length));
  const late = await peer.open(provider.address, jobProtocol);
  await late.write({ t: 'challenge', secret: eager.raw.secret });
  assert.equal((await readUntil(late, 'error')).found.code, 'gone');

  // Without any acknowledgement nothing is computed, and the payment comes back.
  const silent = await open();
  await silent.accept();
  await timer.waiting();
  timer.advance(ackStallMs);
  await paid.news.until('declined', 60_000, ({ news }) => news.job === silent.raw.jobId);
  assert.equal(provider.engine.scoreSlots.used, 0);
});
