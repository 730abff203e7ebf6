import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { dispute, findPendingPayment } from '../../../src/node/payment/dispute.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { decodeHead, encodeHead, isFinal } from '../../../src/proofs/head.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { jobIdHex, sha256 } from '../../../src/protocol/digests.ts';
import { kinds } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { testSampler } from '../../support/market.ts';
import { startPaidProvider } from '../../support/paid.ts';
import { clientPayments, type PaidProvider, startChain, unlimitedAllowances } from '../../support/payments.ts';
import { askRouter, code, receiveAnswer, startRouter, withTamperedAnswers } from '../../support/router.ts';

// Two heads that contradict each other in the middle of an answer: it has no receipt, and the heads are the evidence.

const maxPrice = 10_000_000;
/** Long enough for a head that is not final. */
const sampler = { ...testSampler, maxTokens: 80 };

/** Signs a second, different tree beside each head that is not final. */
function twoTongued(peer: Peer): Peer {
  return withTamperedAnswers(peer, (frame) => {
    if (frame.t !== 'head') return [frame];
    const head = decodeHead(frame.body);
    if (isFinal(head)) return [frame];
    return [
      frame,
      {
        t: 'head',
        ...signBody(peer.key, kinds.head, jobIdHex(head.jobId), encodeHead({ ...head, root: sha256(head.root) })),
      },
    ];
  });
}

/** @param may resolves when the provider may submit what was acknowledged of the broken-off answer */
async function start(context: TestContext, may: Promise<void> = Promise.resolve()) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, {
    wrapPeer: twoTongued,
    wrap: (escrow) => ({
      ...escrow,
      // It does not have the payment released, so that the evidence is used late, too.
      confirmJob: async () => {
        throw new QvacError('E_CHAIN', 'the chain does not answer');
      },
      async submitJob(...args) {
        await may;
        return escrow.submitJob(...args);
      },
    }),
  });
  return { chain, provider, paid, client: await clientPayments(context, chain, { stopMs: 0 }) };
}

const slashedOf = async ({ escrow }: PaidProvider): Promise<number | undefined> =>
  (await escrow.provider(escrow.wallet))?.jobsSlashed;

test('a provider that signs contradicting heads is slashed with both when it submits', async (context) => {
  const { provider, paid, client } = await start(context);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const before = await client.escrow.balance();
  const { finish, verification, receipt, payment, costLamports } = await asker.ask({ maxPrice, sampler });
  assert.deepEqual([finish, verification.faults, receipt, costLamports], [null, ['equivocation'], null, 0n]);
  assert.ok(payment !== null);
  await client.escrow.waitForJob(payment.account, (seen) => seen === null);
  assert.equal(await slashedOf(paid), 1);
  const outcome = await client.escrow.jobOutcome(payment.account);
  assert.deepEqual([outcome?.how, outcome?.refunded, outcome?.paid], ['slashed', payment.locked, 0n]);
  const compensation = outcome?.compensation ?? 0n;
  assert.ok(compensation > 0n);
  // The fees of two transactions, one with the signatures of two heads.
  assert.ok((await client.escrow.balance()) >= before + compensation - 20_000n);
});

test('the heads are kept, readable by their owner alone, and the next process slashes with them', async (context) => {
  const submits = Promise.withResolvers<void>();
  const { chain, provider, paid, client } = await start(context, submits.promise);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const { payment } = await asker.ask({ maxPrice, sampler });
  assert.equal(payment?.state, 'open');
  await client.payments.stop();
  const [name] = await readdir(client.dir);
  const path = join(client.dir, name ?? assert.fail('no pending payment was kept'));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(
    (JSON.parse(await readFile(path, 'utf8')) as { readonly conflict: readonly unknown[] }).conflict.length,
    2,
  );
  submits.resolve();
  const [job] = await client.escrow.jobs({ client: client.escrow.wallet });
  const seen = await client.escrow.waitForJob(job?.address ?? assert.fail(), (each) => each?.submitted != null);

  const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
  const left = await (await later.payments.open()).resume();
  assert.deepEqual(
    left.map(({ settlement: { state, compensation, refunded } }) => [state, compensation, refunded]),
    [['slashed', seen?.submitted?.payout, payment.locked]],
  );
  assert.equal(await slashedOf(paid), 1);
  assert.deepEqual(await readdir(client.dir), []);
});

test('evidence still counts after the rejection window', async (context) => {
  const { chain, provider, paid, client } = await start(context);
  const stuck = await clientPayments(context, chain, {
    stopMs: 0,
    escrow: {
      ...client.escrow,
      waitForJob: (_address, _ready, options) =>
        new Promise((_resolve, reject) =>
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error)),
        ),
    },
  });
  const asker = await startAsker(context, { providers: [provider], payments: stuck.payments });
  await asker.ask({ maxPrice, sampler });
  const [job] = await client.escrow.jobs({ client: client.escrow.wallet });
  await client.escrow.waitForJob(job?.address ?? assert.fail(), (seen) => seen?.submitted != null);
  await chain.warp(301);
  await stuck.payments.stop();
  const later = await clientPayments(context, chain, { dir: stuck.dir, escrow: client.escrow });
  const left = await (await later.payments.open()).resume();
  assert.deepEqual(
    left.map(({ settlement: { state } }) => state),
    ['slashed'],
  );
  assert.equal(await slashedOf(paid), 1);
});

test('a dispute by hand slashes with the kept heads, but not before the provider submits', async (context) => {
  const submits = Promise.withResolvers<void>();
  const { provider, paid, client } = await start(context, submits.promise);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  await asker.ask({ maxPrice, sampler });
  await client.payments.stop();
  const [open] = await client.escrow.jobs({ client: client.escrow.wallet });
  const job = open ?? assert.fail();
  const pending = await findPendingPayment([`${client.dir}-none`, client.dir], jobIdHex(job.jobId), silentLogger);
  await assert.rejects(
    dispute(client.escrow, job, { pending, receipt: null }),
    (error) => code('E_ESCROW')(error) && /the evidence is kept/.test(String(error)),
  );
  submits.resolve();
  const submitted = await client.escrow.waitForJob(job.address, (seen) => seen?.submitted != null);
  await assert.rejects(
    dispute(client.escrow, submitted ?? assert.fail(), { pending: null, receipt: null }),
    code('E_ESCROW'),
  );
  await dispute(client.escrow, submitted ?? assert.fail(), { pending, receipt: null });
  assert.equal(await slashedOf(paid), 1);
});

test('a paying router slashes with the heads, too', async (context) => {
  const { provider, paid, client } = await start(context);
  const allowances = await unlimitedAllowances(client.payments);
  const router = await startRouter(context, { providers: [provider], allowances });
  await assert.rejects(
    receiveAnswer(await askRouter(context, router, { maxPrice, sampler: { ...sampler, extra: new Uint8Array() } })),
    (error) => code('E_FAILED')(error) || (error instanceof Error && /equivocation|two heads/.test(error.message)),
  );
  for (const { address } of await client.escrow.jobs({ client: client.escrow.wallet }))
    await client.escrow.waitForJob(address, (seen) => seen === null);
  assert.equal(await slashedOf(paid), 1);
});
