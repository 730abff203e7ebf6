import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { aborted } from '../../../src/lib/abort.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { AbortOptions } from '../../../src/lib/types.ts';
import type { Engine, OpenOptions } from '../../../src/model/engine.ts';
import { createVerifier } from '../../../src/node/verification/verifier.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider } from '../../support/market.ts';
import {
  clientPayments,
  type PaidProvider,
  providerPayments,
  startChain,
  type TestChain,
} from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

// A paid answer can be rejected for five minutes after its submission. Checks that take longer decide nothing.

const prices = { priceIn: 100_000, priceOut: 2_000_000 };
const maxPrice = 10_000_000;

async function startPaid(context: TestContext, chain: TestChain, engine: Engine = createScriptedEngine()) {
  let paid: PaidProvider | undefined;
  const provider = await startProvider(context, {
    engine,
    offering: prices,
    async payments(peer) {
      paid = await providerPayments(context, chain, peer);
      return paid.payments;
    },
  });
  return { provider, paid: paid ?? assert.fail('the provider has no payouts') };
}

/** A scripted engine on which `before` runs before the `nth` re-execution. */
function holding(
  before: (nth: number, options: OpenOptions | undefined) => Promise<void>,
  engine: Engine = createScriptedEngine(),
): Engine {
  let opened = 0;
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'open')
        return async (options?: OpenOptions) => (await before(++opened, options), target.open(options));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A machine too slow to finish before it is aborted. */
async function neverEnding(options: OpenOptions | undefined): Promise<void> {
  const signal = options?.signal ?? assert.fail('no signal would end it');
  await aborted(signal);
  throw signal.reason as Error;
}

test('a re-execution that would outlast the rejection window is ended: inconclusive, and paid', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaid(context, chain);
  // The margin leaves nothing of the window once the provider has submitted.
  const client = await clientPayments(context, chain, { marginMs: 300_000 });
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [holding((_nth, options) => neverEnding(options))],
    payments: client.payments,
  });
  const { verification, why, payment, tooLate } = await asker.ask({ maxPrice, verify: 'full' });
  assert.deepEqual(
    [verification.result, verification.tier, payment?.state, tooLate],
    ['inconclusive', 'text', 'confirmed', true],
  );
  assert.equal(why, 'the re-execution did not end in time');
});

test('a submission long before the final head shortens the window by that time', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaid(context, chain);
  const client = await clientPayments(context, chain, { marginMs: 20_000 });
  const wallet = await client.payments.open();
  let left = Infinity;
  let asker: TestAsker | null = null;
  const spying = {
    ...client.payments,
    open: async () => ({
      refusal: wallet.refusal.bind(wallet),
      plan: wallet.plan.bind(wallet),
      records: wallet.records.bind(wallet),
      resume: wallet.resume.bind(wallet),
      async lock(...args: Parameters<typeof wallet.lock>) {
        const locked = await wallet.lock(...args);
        return {
          ...locked,
          async window(options?: AbortOptions) {
            // The watch during the answer is not under test.
            if (!(asker?.told.includes('checking full') ?? false)) return locked.window(options);
            await paid.news.until('submitted');
            await chain.warp(290);
            const found = await locked.window(options);
            left = found.leftMs;
            return found;
          },
        };
      },
    }),
  };
  asker = await startAsker(context, {
    providers: [provider],
    engines: [holding((_nth, options) => neverEnding(options))],
    payments: spying,
  });
  const { verification, tooLate } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.result, left, tooLate], ['inconclusive', 0, true]);
});

test('a provider that submits and then withholds the end of the answer is rejected in time', async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const { provider, paid } = await startPaid(context, chain, createScriptedEngine({ beforeStep: gate.beforeStep }));
  const client = await clientPayments(context, chain, { marginMs: 300_000 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice });
  asking.catch(() => undefined);
  await gate.reached;
  const [job] = await paid.escrow.jobs({ provider: paid.escrow.wallet });
  const digest = sha256(job?.address ?? assert.fail('nothing was locked'));
  await paid.escrow.submitJob(job ?? assert.fail(), {
    root: digest,
    textDigest: digest,
    promptCount: 1,
    tokenCount: 32,
    finish: 0,
    cancel: null,
  });
  await assert.rejects(asking, /did not complete the answer in time/);
  await client.escrow.waitForJob(job?.address ?? assert.fail(), (seen) => seen === null);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsRejected, 1);
  gate.open();
});

test('a rejection that comes too late is reported as such: the provider is paid', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaid(
    context,
    chain,
    disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine()),
  );
  const client = await clientPayments(context, chain);
  // The machine slept.
  const slept = holding(async (nth) => {
    if (nth > 1) return;
    await paid.news.until('submitted');
    await chain.warp(301);
  });
  const asker = await startAsker(context, { providers: [provider], engines: [slept], payments: client.payments });
  const { verification, payment, tooLate } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.result, tooLate], ['fail', true]);
  assert.ok(payment?.state === 'submitted' || payment?.state === 'claimed', payment?.state);
  await paid.news.until('paid');
  const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
  const left = await (await later.payments.open()).resume();
  // Found at once or later.
  assert.deepEqual(
    left.map(({ settlement: { state }, rejected }) => [state, rejected]),
    payment.state === 'submitted' ? [['claimed', true]] : [],
  );
});

test('a fault that could not be confirmed in time is inconclusive', async (context) => {
  const provider = await startProvider(context, { script: { damage: 1.5 } });
  const { job, secret } = await openTestJob(context, provider);
  await receiveAll(job);
  await job.challenge(secret);
  const late = new AbortController();
  const engine = holding(async (nth, options) => {
    if (nth === 1) return;
    late.abort(new Error('too late'));
    await neverEnding(options);
  });
  const verifier = createVerifier({ models: [{ engine, calibration: null }], logger: silentLogger });
  const { result, faults, checks } = await verifier.check(job.received.receipt([]), 'full', { until: late.signal });
  assert.deepEqual([result, faults], ['inconclusive', []]);
  assert.match(
    checks.find((check) => check.result === 'inconclusive')?.detail ?? '',
    /exact-mismatch in one re-execution, and a second one did not end in time/,
  );
  // The next check gets its turn.
  const again = createVerifier({
    models: [{ engine: createScriptedEngine(), calibration: null }],
    logger: silentLogger,
  });
  assert.equal((await again.check(job.received.receipt([]), 'full')).result, 'fail');
});
