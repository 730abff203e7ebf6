import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { aborted } from '../../../src/lib/abort.ts';
import type { Timer } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { AbortOptions } from '../../../src/lib/types.ts';
import type { Engine, OpenOptions } from '../../../src/model/engine.ts';
import { createVerifier } from '../../../src/node/verification/verifier.ts';
import { decodeHead } from '../../../src/proofs/head.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { manualTimer } from '../../support/clock.ts';
import { createGate } from '../../support/gate.ts';
import { openTestJob, receiveAll, startProvider, testSampler } from '../../support/market.ts';
import { keptDeliveries, paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain, type TestChain } from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

// A paid answer can be rejected for as long as it took, for five minutes at least. A check that takes longer decides
// nothing.

const maxPrice = 10_000_000;

const startPaid = (context: TestContext, chain: TestChain, engine: Engine = createScriptedEngine()) =>
  startPaidProvider(context, chain, { engine });

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
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [holding((_nth, options) => neverEnding(options))],
    payments: spying,
  });
  const { verification, tooLate } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.result, left, tooLate], ['inconclusive', 0, true]);
});

const timeoutMs = 60_000;

/** A provider that submits an answer, as a broken-off one, while it still sends it. */
async function submittedEarly(context: TestContext, jobTimer?: Timer) {
  const chain = await startChain(context);
  const gate = createGate(40);
  const { provider, paid } = await startPaid(context, chain, createScriptedEngine({ beforeStep: gate.beforeStep }));
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments, jobTimer });
  const asking = asker.ask({ maxPrice, timeoutMs, sampler: { ...testSampler, maxTokens: 60 } });
  asking.catch(() => undefined);
  await gate.reached;
  const [job] = await paid.escrow.jobs({ provider: paid.escrow.wallet });
  const [kept] = await keptDeliveries(paid.dir);
  assert.ok(job !== undefined && kept?.ack != null);
  await paid.escrow.submitJob(job, { head: kept.head.body, ack: kept.ack });
  return { paid, client, asking, gate, job, n: decodeHead(kept.head.body).n };
}

test('a provider that submits and then goes on is slashed with the head that it sent last', async (context) => {
  const { client, asking, gate, paid } = await submittedEarly(context);
  gate.open();
  const { verification, payment } = await asking;
  assert.deepEqual([verification.result, payment?.state, payment?.refunded], ['pass', 'slashed', payment?.locked]);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
  assert.deepEqual(await readdir(client.dir), []);
});

test('a provider that submits and then withholds the end is paid for no more than it submitted', async (context) => {
  const timer = manualTimer();
  const { client, asking, job, n } = await submittedEarly(context, timer);
  timer.advance(timeoutMs);
  await assert.rejects(asking, { code: 'E_TIMEOUT' });
  await client.escrow.waitForJob(job.address, (seen) => seen === null);
  const outcome = await client.escrow.jobOutcome(job.address);
  assert.equal(outcome?.how, 'confirmed');
  const rest = outcome.paid - paidPriceOf(0, n);
  assert.ok(
    n < 60 && rest > 0n && rest <= paidPriceOf(job.promptTokens, 0),
    `${outcome.paid} lamports for ${n} tokens`,
  );
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
