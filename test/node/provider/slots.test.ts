import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { finish } from '../../../src/protocol/codes.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider, testSampler } from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';
import { firstFrame, makeOffer, readUntil, sendOffer } from '../../support/raw-offer.ts';
import type { ScriptedInit } from '../../support/scripted-engine.ts';

test('with a full queue an offer is refused with busy, and a later one is served', async (context) => {
  const gate = createGate(0);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep, slots: 1, queue: 1 } });
  const running = await openTestJob(context, provider);
  const first = receiveAll(running.job);
  await gate.reached;
  const waiting = await openTestJob(context, provider);
  const second = receiveAll(waiting.job);
  await provider.events.until('job-accepted');
  while (provider.engine.slots.waiting === 0) await new Promise((resume) => setImmediate(resume));
  const third = await openTestJob(context, provider);
  await assert.rejects(receiveAll(third.job), (error) => error instanceof QvacError && error.code === 'E_BUSY');
  gate.open();
  await Promise.all([first, second]);
  const fourth = await openTestJob(context, provider);
  await receiveAll(fourth.job);
});

test('a queued job is accepted at once and receives heartbeats', async (context) => {
  const gate = createGate(0);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep, slots: 1 } });
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  assert.equal((await firstFrame(stream))?.t, 'accept');
  await readUntil(stream, 'beat');
  gate.open();
  await readUntil(stream, 'tokens');
});

test('a client that leaves frees its slot at once', async (context) => {
  const gate = createGate(5);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const client = await startPeer(context, { role: 'client' });
  await sendOffer(provider, client, makeOffer(provider, client));
  await gate.reached;
  assert.equal(provider.engine.slots.used, 1);
  await client.stop();
  await provider.events.until('job-failed');
  while (provider.engine.slots.used > 0) await new Promise((resume) => setImmediate(resume));
});

test('a client that resets its stream frees its slot, even if its connection stays', async (context) => {
  const gate = createGate(5);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  await gate.reached;
  stream.abort(new Error('enough'));
  await provider.events.until('job-failed');
  assert.deepEqual(client.connected(), [provider.peer.id]);
});

test('an offer that comes while the provider stops is refused, also on a stream that was open before', async (context) => {
  const gate = createGate(5);
  const provider = await startProvider(context, {
    script: { beforeStep: gate.beforeStep },
    provider: { graceMs: 60_000 },
  });
  const running = await openTestJob(context, provider);
  const received = receiveAll(running.job);
  await gate.reached;
  const client = await startPeer(context, { role: 'client' });
  const stream = await client.open(provider.address, jobProtocol);
  const stopping = provider.provider.stop();
  const { signed, input, extra, grammar } = makeOffer(provider, client);
  await stream.write({ t: 'offer', ...signed, input, extra, grammar });
  assert.equal((await firstFrame(stream))?.t, 'busy');
  gate.open();
  await Promise.all([received, stopping]);
});

test('a client that opens a stream and sends nothing is dropped', async (context) => {
  const provider = await startProvider(context, { provider: { firstFrameMs: 100 } });
  const client = await startPeer(context, { role: 'client' });
  // Also if it is dropped before the client knows that the stream is open.
  const opened = client.open(provider.address, jobProtocol);
  await assert.rejects(opened.then(firstFrame), (error) => error instanceof QvacError && error.code === 'E_TRUNCATED');
});

test('a peer that asks too often receives busy, others are served', async (context) => {
  const provider = await startProvider(context, { provider: { burst: 3, perSecond: 0.001 } });
  const client = await startPeer(context, { role: 'client' });
  for (let job = 0; job < 3; job++) await receiveAll((await openTestJob(context, provider, {}, client)).job);
  await assert.rejects(receiveAll((await openTestJob(context, provider, {}, client)).job), { code: 'E_BUSY' });
  await receiveAll((await openTestJob(context, provider)).job);
});

test('100 questions of one client at once are all answered', async (context) => {
  const provider = await startProvider(context, { script: { slots: 4, queue: 96 } });
  const client = await startPeer(context, { role: 'client' });
  const sampler = { ...testSampler, maxTokens: 2 };
  const jobs = await Promise.all(
    Array.from({ length: 100 }, async () => (await openTestJob(context, provider, { sampler }, client)).job),
  );
  await Promise.all(jobs.map((job) => receiveAll(job)));
  assert.deepEqual(new Set(jobs.map(({ received }) => received.final?.n)), new Set([2]));
});

test('a client whose offers take too much time receives busy, others are served', async (context) => {
  const provider = await startProvider(context, { provider: { offerTime: { share: 1e-6, burstMs: 1 } } });
  const client = await startPeer(context, { role: 'client' });
  await receiveAll((await openTestJob(context, provider, {}, client)).job);
  await assert.rejects(receiveAll((await openTestJob(context, provider, {}, client)).job), { code: 'E_BUSY' });
  await receiveAll((await openTestJob(context, provider)).job);
});

test('jobs beyond the limit of one peer receive busy, and are not cut off', async (context) => {
  const gate = createGate(0);
  const provider = await startProvider(context, {
    provider: { burst: 1_000 },
    script: { beforeStep: gate.beforeStep, queue: 1_000 },
  });
  const client = await startPeer(context, { role: 'client' });
  const jobs = await Promise.all(
    Array.from({ length: 144 }, async () => (await openTestJob(context, provider, {}, client)).job),
  );
  const ended = Promise.allSettled(jobs.map((job) => receiveAll(job)));
  while (provider.engine.slots.waiting < 127) await new Promise((resume) => setImmediate(resume));
  gate.open();
  const reasons = (await ended).flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  assert.equal(reasons.length, 16);
  for (const reason of reasons) assert.ok(reason instanceof QvacError && reason.code === 'E_BUSY', String(reason));
  for (const job of jobs) job.abort(new Error('done'));
  // The places of those jobs are free again.
  while (
    !(await receiveAll((await openTestJob(context, provider, {}, client)).job).then(
      () => true,
      (error: unknown) => error instanceof QvacError && error.code !== 'E_BUSY' && Promise.reject(error),
    ))
  );
});

/** An engine that fails before step `at` of every answer. */
function failingAt(at: number): ScriptedInit {
  return {
    beforeStep: async (i) => {
      if (i === at) throw new Error('secret path /home/somebody');
    },
  };
}

test('an engine that fails before the first token is reported as internal, without its message', async (context) => {
  const provider = await startProvider(context, { script: failingAt(0) });
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  const { found } = await readUntil(stream, 'error');
  assert.deepEqual(found, { t: 'error', code: 'internal', message: 'this provider failed' });
  assert.equal(provider.engine.slots.used, 0);
});

test('an answer whose engine fails ends with finish 3 over what was sent, and can be opened', async (context) => {
  const provider = await startProvider(context, { script: failingAt(3) });
  const { job, secret } = await openTestJob(context, provider);
  await receiveAll(job);
  assert.deepEqual([job.received.final?.finish, job.received.final?.n], [finish.brokenOff, 3]);
  await job.challenge(secret);
  assert.equal(assess(job.received.receipt([]), {}).result, 'pass');
  assert.equal(provider.engine.slots.used, 0);
});

test('of 200 concurrent jobs each is answered or receives busy, and the provider survives', async (context) => {
  const provider = await startProvider(context, { script: { slots: 2, queue: 4 }, provider: { burst: 1000 } });
  const client = await startPeer(context, { role: 'client' });
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async () => {
      try {
        const { job } = await openTestJob(context, provider, { sampler: { ...testSampler, maxTokens: 4 } }, client);
        await receiveAll(job);
        job.abort(new Error('done'));
        return 'answered';
      } catch (error) {
        return error instanceof QvacError ? error.code : 'bug';
      }
    }),
  );
  assert.deepEqual(new Set(outcomes), new Set(['answered', 'E_BUSY']));
  await receiveAll((await openTestJob(context, provider)).job);
});

test('a provider that stops ends its running jobs and admits no new ones', async (context) => {
  const gate = createGate(3);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep, slots: 1 } });
  const begun = await openTestJob(context, provider);
  const ending = receiveAll(begun.job);
  await gate.reached;
  // It waits for the slot of the first.
  const queued = await openTestJob(context, provider);
  const refused = assert.rejects(receiveAll(queued.job), { code: 'E_FAILED' });
  await provider.events.until('job-accepted', 60_000, ({ job }) => job === queued.job.jobId);
  await provider.provider.stop();
  await Promise.all([ending, refused]);
  assert.deepEqual([begun.job.received.final?.finish, begun.job.received.final?.n], [finish.brokenOff, 3]);
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  assert.equal((await firstFrame(stream))?.t, 'busy');
});
