import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { Escrow } from '../../../src/escrow/escrow.ts';
import { openTestJob, testSampler } from '../../support/market.ts';
import { startPaidProvider } from '../../support/paid.ts';
import { clientPayments, type PaidClient, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { paidQuote } from '../../support/raw-paid-job.ts';

// Two processes of one home: one settles earlier payments while the other is about to lock one.

/** A payment that one process locks with `createJob` instead of the escrow's own, and another process's payments. */
async function start(
  context: TestContext,
  createJob: (whole: Escrow) => Escrow['createJob'],
): Promise<{ readonly locking: Promise<unknown>; readonly other: PaidClient }> {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const escrow = await chain.wallet();
  const first = await clientPayments(context, chain, { escrow: { ...escrow, createJob: createJob(escrow) } });
  const peer = await startPeer(context, { role: 'client' });
  const quote = await paidQuote(provider, peer);
  const wallet = await first.payments.open();
  const limits = { maxTokens: testSampler.maxTokens, maxPrice: Number.MAX_SAFE_INTEGER };
  const { payment } = await wallet.plan(quote.quote, limits);
  // The process ends right after it has locked.
  const lock = async (
    order: Parameters<NonNullable<Parameters<typeof openTestJob>[2]>['lock'] & object>[0],
  ): Promise<null> => {
    await wallet.lock({ ...order, quote: quote.quote });
    throw new Error('gone');
  };
  const locking = openTestJob(context, provider, { quote, payment, lock }, peer);
  locking.catch(() => undefined);
  return { locking, other: await clientPayments(context, chain, { dir: first.dir, escrow }) };
}

const statesOf = async ({ payments }: PaidClient): Promise<readonly string[]> =>
  (await (await payments.open()).resume()).map(({ settlement: { state } }) => state);

test('a lock in flight is not mistaken for a closed one', async (context) => {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { locking, other } = await start(context, (whole) => async (...args) => {
    reached.resolve();
    await released.promise;
    return whole.createJob(...args);
  });
  await reached.promise;
  assert.deepEqual(await statesOf(other), ['open']);
  released.resolve();
  await assert.rejects(locking, /gone/);
  assert.equal((await readdir(other.dir)).length, 1);
  assert.equal((await other.escrow.jobs({ client: other.escrow.wallet })).length, 1);
  assert.deepEqual(await statesOf(other), ['open']);
});

test('a lock that never reached the chain is forgotten after a while', async (context) => {
  const { locking, other } = await start(context, () => async () => {
    throw new QvacError('E_CHAIN', 'the chain does not answer');
  });
  await assert.rejects(locking, { code: 'E_CHAIN' });
  assert.deepEqual(await statesOf(other), ['open']);
  const [name = ''] = await readdir(other.dir);
  const note = JSON.parse(await readFile(join(other.dir, name), 'utf8')) as { readonly at: number };
  await writeFile(join(other.dir, name), JSON.stringify({ ...note, at: note.at - 600_000 }));
  assert.deepEqual(await statesOf(other), ['gone']);
  assert.deepEqual(await readdir(other.dir), []);
});
