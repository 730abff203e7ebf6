import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { Escrow } from '../../../src/escrow/escrow.ts';
import { startLocalnet } from '../../../src/escrow/localnet.ts';
import { openEscrow } from '../../../src/escrow/program.ts';
import { signingKeyFromSeed } from '../../../src/proofs/signing.ts';
import { startAsker } from '../../support/asking.ts';
import { openChainLine, transaction } from '../../support/chain-line.ts';
import { startProvider } from '../../support/market.ts';
import {
  clientPayments,
  type PaidProvider,
  providerPayments,
  SOL,
  startChain,
  type TestChain,
} from '../../support/payments.ts';

// A chain that is slow, loses answers, or is unreachable for a while: no client is charged twice, and nothing stays
// locked.

const prices = { priceIn: 100_000, priceOut: 2_000_000 };
const maxPrice = 10_000_000;
type Paid = Escrow & { readonly wallet: Uint8Array };
type Wrap = (escrow: Paid) => Paid;
const asItIs: Wrap = (escrow) => escrow;

interface MarketInit {
  readonly provider?: Wrap;
  readonly client?: Wrap;
  /** The line by which each reaches the chain. @default a direct one */
  readonly rpcUrl?: string;
}

/** A wallet with lamports that reaches the chain through `rpcUrl`. */
async function walletOn(chain: TestChain, rpcUrl: string, seed: number): Promise<Paid> {
  const wallet = signingKeyFromSeed(new Uint8Array(32).fill(seed));
  await (await openEscrow({ rpcUrl: chain.rpcUrl, wallet, pollMs: 20 })).airdrop(20n * SOL);
  return (await openEscrow({ rpcUrl, wallet, pollMs: 20 })) as Paid;
}

async function startMarket(
  context: TestContext,
  chain: TestChain,
  { provider: wrapProvider = asItIs, client: wrapClient = asItIs, rpcUrl = chain.rpcUrl }: MarketInit = {},
) {
  const [seller, buyer] = [await walletOn(chain, rpcUrl, 1), await walletOn(chain, rpcUrl, 2)];
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: prices,
    async payments(peer) {
      paid.resolve(await providerPayments(context, chain, peer, { escrow: wrapProvider(seller) }));
      return (await paid.promise).payments;
    },
  });
  const client = await clientPayments(context, chain, { escrow: wrapClient(buyer), submitMs: 60_000 });
  return {
    paid: await paid.promise,
    client,
    buyer,
    asker: await startAsker(context, { providers: [provider], payments: client.payments }),
  };
}

/** Starts the chain of `chain` again, at the same address. */
async function startAgain(context: TestContext, chain: TestChain): Promise<void> {
  const back = await startLocalnet({ dir: chain.dir, port: Number(new URL(chain.rpcUrl).port) });
  context.after(() => back.stop());
}

test('both sides wait for a slow chain: locked once, submitted, confirmed once', async (context) => {
  const chain = await startChain(context);
  const line = await openChainLine(context, chain.rpcUrl, { delayMs: 60 });
  const { asker, paid, buyer } = await startMarket(context, chain, { rpcUrl: line.url });
  const before = await buyer.balance();
  const { payment } = await asker.ask({ maxPrice });
  assert.equal(payment?.state, 'confirmed');
  assert.equal((await paid.news.until('paid')).news.lamports, payment.paid);
  assert.equal(await buyer.balance(), before - payment.paid - 10_000n);
});

test('lock, submission and confirmation happen once each, even if the chain’s replies get lost', async (context) => {
  const chain = await startChain(context);
  const line = await openChainLine(context, chain.rpcUrl);
  const { asker, paid, buyer } = await startMarket(context, chain, { rpcUrl: line.url });
  const before = await buyer.balance();
  const lost = line.lose('answer', transaction());
  const { payment } = await asker.ask({ maxPrice });
  lost.end();
  assert.ok(lost.count >= 3);
  assert.equal(payment?.state, 'confirmed');
  assert.equal((await paid.news.until('paid')).news.lamports, payment.paid);
  assert.equal(await buyer.balance(), before - payment.paid - 10_000n);
  const account = await paid.escrow.provider(paid.escrow.wallet);
  assert.deepEqual(
    [account?.jobsCompleted, account?.earned, await buyer.jobs({ client: buyer.wallet })],
    [1n, payment.paid, []],
  );
});

test('after the lock the chain is unreachable: the provider declines the payment later', async (context) => {
  const chain = await startChain(context);
  let away = false;
  const { asker, client, paid, buyer } = await startMarket(context, chain, {
    // Has already given up on the chain.
    provider: (whole) => ({
      ...whole,
      waitForJob: (...args) =>
        away ? Promise.reject(new QvacError('E_CHAIN', 'the chain does not answer')) : whole.waitForJob(...args),
    }),
    client: (whole) => ({
      ...whole,
      async createJob(...args) {
        const executed = await whole.createJob(...args);
        away = true;
        await chain.localnet.stop();
        return executed;
      },
    }),
  });
  const before = await buyer.balance();
  await assert.rejects(asker.ask({ maxPrice }), /cannot read the chain/);
  await startAgain(context, chain);
  away = false;
  await paid.news.until('declined');
  const left = await (await client.payments.open()).resume();
  assert.ok(left.every(({ settlement: { state } }) => state === 'declined'));
  assert.equal(await buyer.balance(), before - 5_000n);
  assert.deepEqual([await readdir(client.dir), await buyer.jobs({ client: buyer.wallet })], [[], []]);
});

test('a chain that restarts after the final head receives the submission afterwards', async (context) => {
  const chain = await startChain(context);
  const { asker, paid } = await startMarket(context, chain, {
    provider: (whole) => ({
      ...whole,
      async submitJob(...args) {
        await chain.localnet.stop();
        const submitting = whole.submitJob(...args);
        await startAgain(context, chain);
        return submitting;
      },
    }),
  });
  const { payment } = await asker.ask({ maxPrice });
  // The client may have asked the chain just while it was unreachable; if not, it may confirm before the provider sees
  // its own submission.
  if (payment?.state !== 'confirmed') {
    await paid.news.until('submitted');
    await chain.warp(301);
  }
  const { news } = await paid.news.until('paid');
  if (payment?.state === 'confirmed') assert.equal(payment.paid, news.lamports);
});

test('the chain is unreachable past the submission’s deadline: the client is refunded', async (context) => {
  const chain = await startChain(context);
  let away: Promise<void> | null = null;
  const { asker, client, paid, buyer } = await startMarket(context, chain, {
    provider: (whole) => ({
      ...whole,
      async submitJob(...args) {
        // A later attempt meets the chain as it is then.
        away ??= chain.localnet.stop();
        await away;
        return whole.submitJob(...args);
      },
    }),
    client: (whole) => ({ ...whole, waitForJob: async () => Promise.reject(new Error('the chain does not answer')) }),
  });
  const before = await buyer.balance();
  const { payment } = await asker.ask({ maxPrice });
  assert.equal(payment?.state, 'open');
  await paid.payments.stop();
  await startAgain(context, chain);
  await chain.warp(600);
  const again = await providerPayments(context, chain, asker.peer, { dir: paid.dir, escrow: paid.escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  const [left] = await (await client.payments.open()).resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.refunded], ['refunded', left?.settlement.locked]);
  await again.news.until('refunded');
  assert.ok((await buyer.balance()) > before - 20_000n);
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
});

test('nothing is locked if the chain is unreachable', async (context) => {
  const chain = await startChain(context);
  const { asker, client } = await startMarket(context, chain);
  await chain.localnet.stop();
  await assert.rejects(
    asker.ask({ maxPrice }),
    (error) => error instanceof Error && 'exitCode' in error && error.exitCode === 5,
  );
  assert.deepEqual(await readdir(client.dir).catch(() => []), []);
});
