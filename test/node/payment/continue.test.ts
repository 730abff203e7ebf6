import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { BreakPlan, breakingPeer } from '../../support/breaking.ts';
import { testSampler } from '../../support/market.ts';
import { paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const seed = seedOfNumber(1n);

interface PaidMarket {
  readonly plan: BreakPlan;
  readonly sellers: readonly Awaited<ReturnType<typeof startPaidProvider>>[];
  readonly asker: TestAsker;
}

async function startMarket(context: TestContext, count: number): Promise<PaidMarket> {
  const chain = await startChain(context);
  const plan = new BreakPlan();
  const { tokenizer } = createScriptedEngine();
  const sellers: PaidMarket['sellers'][number][] = [];
  for (let at = 0; at < count; at++)
    sellers.push(await startPaidProvider(context, chain, { wrapPeer: (peer) => breakingPeer(peer, plan, tokenizer) }));
  const { payments } = await clientPayments(context, chain);
  const providers = sellers.map(({ provider }) => provider);
  return {
    plan,
    sellers,
    asker: await startAsker(context, { providers, payments, engines: [createScriptedEngine()] }),
  };
}

test('each provider of a continued answer is paid for what was acknowledged, all within the limit', async (context) => {
  const { plan, sellers, asker } = await startMarket(context, 2);
  plan.set(seed, [40]);
  const maxPrice = 10_000_000;
  const answer = await asker.ask({ sampler, seed, maxPrice });
  assert.deepEqual([answer.verification.result, answer.verification.tier, answer.tokens], ['pass', 'exact', 64]);
  const [part = assert.fail('no earlier part'), ...others] = answer.earlier;
  assert.equal(others.length, 0);
  const lost = sellers.find(({ provider }) => provider.peer.id === part.provider) ?? assert.fail('no provider');
  const next = sellers.find(({ provider }) => provider.peer.id === answer.provider) ?? assert.fail('no provider');
  // The lost one had sent 40 tokens, of which 32 were acknowledged: its grace covers the rest.
  const receipt = asker.receipts.get(part.receipt ?? assert.fail('no receipt')) ?? assert.fail('not stored');
  assert.equal(decodeAck(receipt.ack?.body ?? assert.fail('no ack')).n, 32);
  const prompt = receipt.promptTokens.length;
  const { lamports: first } = (await lost.paid.news.until('paid')).news;
  assert.ok(first >= paidPriceOf(prompt, 32) && first <= paidPriceOf(prompt, 64), `${first}`);
  assert.equal(part.costLamports, paidPriceOf(prompt, 40));
  // The other one's prompt is longer by what had been shown.
  const second = paidPriceOf(prompt + 40, 24);
  assert.equal((await next.paid.news.until('paid')).news.lamports, second);
  assert.deepEqual([answer.payment?.state, answer.payment?.paid], ['confirmed', second]);
  assert.equal(answer.costLamports, part.costLamports + second);
  assert.ok(first + second <= BigInt(maxPrice));
});

test('no provider is asked to continue beyond the price limit', async (context) => {
  const { plan, asker } = await startMarket(context, 2);
  plan.set(seed, [40]);
  const whole = await asker.ask({ sampler, seed: seedOfNumber(2n), maxPrice: 10_000_000 });
  const maxPrice = Number(whole.payment?.locked ?? 0n);
  asker.told.length = 0;
  await assert.rejects(
    asker.ask({ sampler, seed, maxPrice }),
    (error) => error instanceof QvacError && error.code === 'E_TRUNCATED' && /receipts show/.test(error.hint ?? ''),
  );
  assert.equal(asker.told.filter((line) => line.startsWith('sending')).length, 1);
  assert.ok(asker.told.some((line) => /no other provider continues the answer: .*may cost more/.test(line)));
});
