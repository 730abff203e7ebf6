import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobId } from '../../../src/lib/types.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { type SigningKey, signBody } from '../../../src/proofs/signing.ts';
import { ackStop, finish, kinds } from '../../../src/protocol/messages.ts';
import { signAck } from '../../support/acks.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider } from '../../support/market.ts';
import { startPeer, testIdentity } from '../../support/peers.ts';
import { makeOffer, readFinal, readUntil, sendOffer } from '../../support/raw-offer.ts';

/** An acknowledgement of `n` tokens that stops the answer. */
function signStop(key: SigningKey, jobId: JobId, n: number) {
  return { t: 'ack', ...signAck(key, { jobId, n, stop: ackStop.cancel }) } as const;
}

test('a cancel ends the answer with finish 2 over what was sent, and the receipt passes', async (context) => {
  const gate = createGate(10);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const { job, secret } = await openTestJob(context, provider);
  const receiving = receiveAll(job);
  await gate.reached;
  await job.cancel();
  await receiving;
  assert.equal(job.received.final?.finish, finish.cancelled);
  assert.equal(job.received.final?.n, 10);
  await job.challenge(secret);
  assert.equal(assess(job.received.receipt([]), {}).result, 'pass');
  assert.equal(provider.engine.slots.used, 0);
});

test('a cancel before the first token gives a final head over nothing', async (context) => {
  const gate = createGate(0);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const { job } = await openTestJob(context, provider);
  for await (const frame of job.frames()) {
    if (frame.t === 'accept') await job.cancel();
  }
  assert.deepEqual(
    { n: job.received.final?.n, finish: job.received.final?.finish },
    { n: 0, finish: finish.cancelled },
  );
});

test('a cancelled job that waits in the queue leaves the queue', async (context) => {
  const gate = createGate(0);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep, slots: 1 } });
  const first = await openTestJob(context, provider);
  const busy = receiveAll(first.job);
  await gate.reached;
  const second = await openTestJob(context, provider);
  for await (const frame of second.job.frames()) {
    if (frame.t === 'accept') await second.job.cancel();
  }
  assert.equal(second.job.received.final?.finish, finish.cancelled);
  assert.equal(provider.engine.slots.waiting, 0);
  gate.open();
  await busy;
});

test('a cancel that crossed the final head is ignored, and the job can still be opened', async (context) => {
  const provider = await startProvider(context);
  const client = await startPeer(context, { role: 'client' });
  const offer = makeOffer(provider, client);
  const stream = await sendOffer(provider, client, offer);
  assert.equal((await readFinal(stream)).finish, finish.length);
  await stream.write(signStop(client.key, offer.jobId, 1));
  await stream.write({ t: 'challenge', secret: offer.secret });
  await readUntil(stream, 'opening');
});

test('a cancel of too many tokens, another signer or another job is a bad frame', async (context) => {
  const stranger = await testIdentity();
  const cases = [
    ['more tokens', (key: SigningKey, jobId: JobId) => signStop(key, jobId, 11)],
    ['another key', (_key: SigningKey, jobId: JobId) => signStop(stranger.signingKey, jobId, 1)],
    ['another job', (key: SigningKey) => signStop(key, 'ab'.repeat(32) as JobId, 1)],
    [
      'a malformed cancel',
      (key: SigningKey, jobId: JobId) => ({ t: 'ack', ...signBody(key, kinds.ack, jobId, new Uint8Array(3)) }) as const,
    ],
  ] as const;
  for (const [name, make] of cases) {
    const gate = createGate(10);
    const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
    const client = await startPeer(context, { role: 'client' });
    const offer = makeOffer(provider, client);
    const stream = await sendOffer(provider, client, offer);
    await gate.reached;
    await stream.write(make(client.key, offer.jobId));
    const { found } = await readUntil(stream, 'error');
    assert.equal(found.code, 'bad-frame', name);
    await provider.events.until('job-failed');
    assert.equal(provider.engine.slots.used, 0);
  }
});

test('a challenge before the final head is a bad frame and reveals nothing', async (context) => {
  const gate = createGate(10);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const client = await startPeer(context, { role: 'client' });
  const offer = makeOffer(provider, client);
  const stream = await sendOffer(provider, client, offer);
  await gate.reached;
  await stream.write({ t: 'challenge', secret: offer.secret });
  const { found, before } = await readUntil(stream, 'error');
  assert.equal(found.code, 'bad-frame');
  assert.ok(before.every(({ t }) => t !== 'opening'));
});

test('a frame of another protocol is out of order', async (context) => {
  const gate = createGate(10);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  await gate.reached;
  await stream.write({ t: 'stop' });
  assert.equal((await readUntil(stream, 'error')).found.code, 'bad-frame');
});
