import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedInput } from '../../../src/protocol/embedding.ts';
import { promptTokenBound } from '../../../src/protocol/input/prompt-bound.ts';
import { startAsker } from '../../support/asking.ts';
import { startChannelAsker } from '../../support/channel-asker.ts';
import { paidPrices, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';
import { createScriptedEmbedder } from '../../support/scripted-embedder.ts';

const maxPrice = 10_000_000;
const texts = ['one text', 'another', ''];

/** The price of the texts' tokens, at that of a prompt. */
function priceOf(of: readonly string[]): bigint {
  const { tokens } = createScriptedEmbedder().tokenizer.encodePrompt(embedInput(of));
  return BigInt(Math.ceil((tokens.length * paidPrices.priceIn) / 1_000));
}

test('vectors are paid by the token of their texts, and the rest comes back', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, { engine: createScriptedEmbedder() });
  const client = await clientPayments(context, chain);
  const engines = [createScriptedEmbedder()];
  const asker = await startAsker(context, { providers: [provider], payments: client.payments, engines });
  const { vectors, jobs } = await asker.embed(texts, { maxPrice });
  assert.equal(vectors?.length, 3);
  const [{ payment, costLamports, verification }] = jobs;
  assert.equal(verification.tier, 'exact');
  assert.equal(costLamports, priceOf(texts));
  assert.deepEqual([payment?.state, payment?.paid, payment?.burnt], ['confirmed', priceOf(texts), 0n]);
  assert.equal((await paid.news.until('paid')).news.lamports, priceOf(texts));
  assert.equal(provider.model().priceOut, 0);
});

test('a job that fails costs nothing, and one with other numbers is rejected', async (context) => {
  const chain = await startChain(context);
  const failing = createScriptedEmbedder({ embedding: () => Promise.reject(new Error('broken')) });
  const broken = await startPaidProvider(context, chain, { engine: failing });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [broken.provider], payments: client.payments });
  await assert.rejects(asker.embed(texts, { maxPrice }));
  const { news } = await broken.paid.news.until('declined');
  assert.notEqual(news, null);

  const cheat = await startPaidProvider(context, chain, { engine: createScriptedEmbedder({ damage: 0.3 }) });
  const engines = [createScriptedEmbedder()];
  const { payments } = await clientPayments(context, chain);
  const other = await startAsker(context, { providers: [cheat.provider], payments, engines });
  const { vectors, jobs } = await other.embed(texts, { maxPrice });
  assert.equal(vectors, null);
  assert.deepEqual(jobs[0].verification.faults, ['exact-mismatch']);
  assert.deepEqual([jobs[0].payment?.state, jobs[0].payment?.paid], ['rejected', 0n]);
});

test('what a provider that gave nothing can be paid counts against --max-price of further jobs', async (context) => {
  const chain = await startChain(context);
  let fails = true;
  const engine = createScriptedEmbedder({
    async embedding(vector) {
      if (fails) throw new Error('broken');
      return vector;
    },
  });
  const priceIn = 0.9 * paidPrices.priceIn;
  const cheap = await startPaidProvider(context, chain, {
    engine,
    offering: { tokensPerSecond: 100, ...paidPrices, priceIn },
  });
  const dear = await startPaidProvider(context, chain, { engine: createScriptedEmbedder() });
  const { payments } = await clientPayments(context, chain);
  const providers = [cheap.provider, dear.provider];
  const asker = await startAsker(context, { providers, payments, engines: [createScriptedEmbedder()] });
  const many = Array.from({ length: 128 }, (_, at) => `text ${100 + at}`);
  const part = many.slice(0, 64);
  const bound = (promptTokenBound(embedInput(part)) * paidPrices.priceIn) / 1_000;
  const lost = 0.9 * Number(priceOf(part));
  void dear.provider.events.until('job-finished').then(() => (fails = false));
  await assert.rejects(asker.embed(many, { maxPrice: bound + lost }), { code: 'E_TOO_DEAR' });
  assert.equal(asker.told.filter((line) => line.startsWith('sending')).length, 2);
});

test('jobs in a channel cost no transaction each, and are released once checked', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain, { engine: createScriptedEmbedder() });
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    engines: [createScriptedEmbedder()],
  });
  const many = Array.from({ length: 70 }, (_, at) => `text ${at}`);
  const { vectors, jobs } = await asker.embed(many, { maxPrice: 100_000_000 });
  assert.equal(vectors?.length, 70);
  const parts = [many.slice(0, 64), many.slice(64)];
  assert.deepEqual(
    jobs.map(({ costLamports }) => costLamports),
    parts.map(priceOf),
  );
  const cost = parts.map(priceOf).reduce((sum, price) => sum + price, 0n);
  const [listed] = await (await asker.channels()).list();
  assert.deepEqual(listed?.channel.totals, { committedLamports: cost, releasedLamports: cost });
});
