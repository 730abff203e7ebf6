import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startChannelAsker } from '../../support/channel-asker.ts';
import { testSampler } from '../../support/market.ts';
import { paidPrices, startPaidProvider } from '../../support/paid.ts';
import { startChain, type TestChain } from '../../support/payments.ts';

const sampler = { ...testSampler, maxTokens: 10 };
const priceJob = 1_000_000;
/** Enough for one answer, not for two. */
const maxPrice = 2 * priceJob - 1;

/** A provider that breaks off as soon as something is due to it. */
function startTaker(context: TestContext, chain: TestChain) {
  const isDue = Promise.withResolvers<void>();
  return startPaidProvider(context, chain, {
    offering: { tokensPerSecond: 100, ...paidPrices, priceJob },
    script: {
      async beforeStep() {
        await isDue.promise;
        throw new Error('the engine broke');
      },
    },
    wrapJob: (job) => ({
      ...job,
      async keep(state) {
        await job.keep(state);
        isDue.resolve();
      },
    }),
  });
}

for (const pay of ['job', 'channel'] as const)
  test(`providers that are paid and give no token get no more than --max-price together: by ${pay}`, async (context) => {
    const chain = await startChain(context);
    const takers = [await startTaker(context, chain), await startTaker(context, chain)];
    const asker = await startChannelAsker(context, chain, {
      providers: takers.map(({ provider }) => provider),
      policy: { pay },
    });
    await assert.rejects(asker.ask({ maxPrice, sampler }), { code: 'E_TOO_DEAR' });
    assert.equal(asker.told.filter((line) => line.startsWith('sending')).length, 1);
  });
