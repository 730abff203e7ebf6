import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { signBody } from '../../../src/proofs/signing.ts';
import { ackStop, finish, kinds, type Signed } from '../../../src/protocol/messages.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { createGate } from '../../support/gate.ts';
import { type PaidProviderInit, startPaidProvider } from '../../support/paid.ts';
import { startChain } from '../../support/payments.ts';
import { startPeer, testIdentity } from '../../support/peers.ts';
import { readUntil } from '../../support/raw-offer.ts';
import { openRawPaidJob, type RawPaidJob, signAck } from '../../support/raw-paid-job.ts';

// Acknowledgements that stop a paid answer, and those that are not to be taken. `grace` is 64 here.

const grace = 64;

async function start(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, init);
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  return {
    provider,
    paid,
    open: () => openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 300 }, peer),
    /** What the provider submitted of a job, lamports. */
    async submitted({ raw: { jobId } }: RawPaidJob): Promise<bigint> {
      return (await paid.news.until('submitted', 60_000, ({ news }) => news.job === jobId)).news.lamports;
    },
  };
}

/** Takes an answer until the provider waits: `acked` acknowledged, and all that the grace allows received. */
async function take(job: RawPaidJob, acked: number): Promise<void> {
  await job.accept();
  await job.ack(0);
  await job.tokens(1);
  await job.ack(1);
  if (acked > 1) {
    await job.tokens(acked);
    await job.ack(acked);
  }
  await job.tokens(acked + grace);
}

test('a stop with any count ends the answer, and pays for that count and the grace', async (context) => {
  const { open, submitted } = await start(context);
  for (const [acked, n] of [
    [1, 1],
    [1, 20],
    [1, 65],
    [32, 32],
    [32, 96],
  ] as const) {
    const job = await open();
    await take(job, acked);
    await job.ack(n, { stop: ackStop.cancel });
    const final = await job.final();
    assert.deepEqual([final.finish, final.n], [finish.cancelled, acked + grace], `${acked}, ${n}`);
    assert.equal(await submitted(job), job.price(n, final.n), `${acked}, ${n}`);
  }
});

test('a stop before the first token pays for the prompt, and a repeated one changes nothing', async (context) => {
  const { open, submitted } = await start(context);
  const job = await open();
  await job.accept();
  await job.ack(0, { stop: ackStop.cancel });
  const final = await job.final();
  assert.deepEqual([final.finish, final.n, job.received], [finish.cancelled, 0, 0]);
  await job.ack(0, { stop: ackStop.cancel });
  assert.equal(await submitted(job), job.price(0, 0));
});

test('after 65 tokens nobody stops at none: what was acknowledged before is paid', async (context) => {
  const { open, submitted } = await start(context);
  const job = await open();
  await take(job, 1);
  await job.ack(0, { stop: ackStop.cancel });
  assert.equal((await readUntil(job.stream, 'error')).found.code, 'bad-frame');
  assert.equal(await submitted(job), job.price(1, 65));
});

/** A good acknowledgement of 40 tokens with another byte, signed like that. */
const patched =
  (at: number, byte: number) =>
  ({ peer: { key }, raw }: RawPaidJob): Signed =>
    signBody(key, kinds.ack, raw.jobId, signAck(key, raw, 40).body.with(at, byte));

test('an acknowledgement that is not in place ends the job, which is paid so far', async (context) => {
  const { provider, open, submitted } = await start(context);
  const stranger = await testIdentity();
  const other = await open();
  await take(other, 1);
  const own = (n: number) => (job: RawPaidJob) => signAck(job.peer.key, job.raw, n);
  const cases: readonly (readonly [name: string, make: (job: RawPaidJob) => Signed])[] = [
    ['of more than was sent', own(32 + grace + 1)],
    ['of fewer than before', own(31)],
    ['of another job', (job) => signAck(job.peer.key, other.raw, 40)],
    ['with totals', patched(77, 1)],
    ['of a channel', patched(38, 1)],
    ['that closes a channel', patched(37, ackStop.noObjection)],
    ['of another version', patched(0, 2)],
    ['signed by another node', (job) => signAck(stranger.signingKey, job.raw, 40)],
    ['altered after it was signed', (job) => ({ ...own(40)(job), body: own(96)(job).body })],
    ['cut short', (job) => ({ ...own(40)(job), body: new Uint8Array(85) })],
  ];
  await other.ack(1, { stop: ackStop.cancel });
  await other.final();
  for (const [name, make] of cases) {
    const job = await open();
    await take(job, 32);
    await job.stream.write({ t: 'ack', ...make(job) });
    assert.equal((await readUntil(job.stream, 'error')).found.code, 'bad-frame', name);
    assert.equal(await submitted(job), job.price(32, 32 + grace), name);
  }
  assert.equal(provider.engine.slots.used, 0);
});

test('acknowledgements sent twice are taken; nothing follows that of the final head but one repetition', async (context) => {
  const { paid, open, submitted } = await start(context);
  const job = await open();
  await job.accept();
  for (const n of [0, 0, 1, 1, 32, 32, 64, 96, 128, 160, 192, 224, 256, 288]) {
    await job.tokens(n);
    await job.ack(n);
  }
  const final = await job.final();
  assert.deepEqual([final.finish, final.n], [finish.length, 300]);
  await job.ack(300);
  await job.ack(300);
  await job.ack(300);
  assert.equal((await readUntil(job.stream, 'error')).found.code, 'bad-frame');
  assert.equal(await submitted(job), job.price(300, 300));
  assert.equal(paid.news.all.filter(({ event }) => event === 'submitted').length, 1);
});

test('an acknowledgement has no effect before the provider has kept it', async (context) => {
  const gate = createGate(50);
  let isKeeping = false;
  const [keeping, kept] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { open } = await start(context, {
    script: { beforeStep: gate.beforeStep },
    wrapJob: (job) => ({
      ...job,
      async keep(state) {
        const isFirst = !isKeeping && state !== null && state.ack !== null && decodeAck(state.ack.body).n === 32;
        if (isFirst) {
          isKeeping = true;
          keeping.resolve();
          await kept.promise;
        }
        await job.keep(state);
      },
    }),
  });
  const job = await open();
  await job.accept();
  for (const n of [0, 1, 32]) {
    await job.tokens(n);
    await job.ack(n);
  }
  await Promise.all([gate.reached, keeping.promise]);
  gate.open();
  while ((await job.next()).t !== 'beat');
  assert.equal(job.received, 1 + grace);
  kept.resolve();
  await job.tokens(32 + grace);
});
