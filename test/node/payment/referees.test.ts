import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { Engine } from '../../../src/model/engine.ts';
import { decodeReceipt } from '../../../src/proofs/receipt.ts';
import { jobIdHex } from '../../../src/protocol/digests.ts';
import { startAsker } from '../../support/asking.ts';
import { startChannelAsker } from '../../support/channel-asker.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { paidPrices, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;
const honest = (): Engine => createScriptedEngine();
const cheat = (): Engine => disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());

/** A client without the model that pays, and paid providers of which it asks the first. */
async function startMarket(context: TestContext, engines: readonly Engine[]) {
  const chain = await startChain(context);
  const providers = [];
  for (const engine of engines) providers.push(await startPaidProvider(context, chain, { engine }));
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, {
    providers: providers.map(({ provider }) => provider),
    payments: client.payments,
  });
  const [first] = providers;
  return { asker, client, providers, address: first?.provider.address ?? assert.fail('no provider') };
}

test('a referee is paid the prompt’s price for what it read, and the answer is paid once it agrees', async (context) => {
  const { asker, address, providers } = await startMarket(context, [honest(), honest()]);
  const answer = await asker.ask({ provider: address, referees: 1, maxPrice });
  assert.deepEqual([answer.verification.result, answer.payment?.state], ['pass', 'confirmed']);
  const [report] = answer.referees;
  const score = asker.receipts.get(report?.job ?? assert.fail('no score')) ?? assert.fail();
  const read = score.promptTokens.length + score.tokens.length;
  const price = BigInt(Math.ceil((read * paidPrices.priceIn) / 1_000));
  assert.deepEqual([report?.costLamports, score.settlement?.state], [price, 'confirmed']);
  assert.ok(price < answer.costLamports / 5n, `${price} of ${answer.costLamports}`);
  assert.equal((await providers[1]?.paid.news.until('paid'))?.news.lamports, price);
});

test('a referee with which a channel is open is paid from it, and none is opened for a score', async (context) => {
  const chain = await startChain(context);
  const [{ provider }, { provider: referee }] = [
    await startPaidProvider(context, chain, { engine: honest() }),
    await startPaidProvider(context, chain, { engine: honest() }),
  ];
  const asker = await startChannelAsker(context, chain, { providers: [provider, referee], policy: { pay: 'channel' } });
  const ask = () => asker.ask({ provider: provider.address, referees: 1, maxPrice });
  const scoreOf = (answer: Awaited<ReturnType<typeof ask>>) =>
    asker.receipts.get(answer.referees[0]?.job ?? assert.fail('no score')) ?? assert.fail();
  const first = await ask();
  assert.deepEqual([first.payment?.state, scoreOf(first).settlement?.by], ['released', 'job']);

  const channels = await asker.channels();
  const { peer, card } = referee.card();
  const pay = card.pay ?? assert.fail('it is free');
  const limits = { depositLamports: 10_000_000n, windowLamports: 1_000_000n, isKept: false };
  const channel = await channels.open({ provider: peer, key: card.peer, pay, ...limits });
  const second = await ask();
  assert.deepEqual([second.verification.result, second.payment?.state], ['pass', 'released']);
  const { settlement } = scoreOf(second);
  const price = second.referees[0]?.costLamports ?? 0n;
  assert.deepEqual([settlement?.by, settlement?.state, settlement?.paid], ['channel', 'released', price.toString()]);
  assert.deepEqual(channel.totals, { committedLamports: price, releasedLamports: price });
  // Both sides agree about the totals: they can close it together.
  await chain.warp(121);
  let news = await channels.close(channel.id);
  while (news.outcome === null) news = await channels.close(channel.id);
  assert.deepEqual([news.state, news.outcome.paid], ['closed', price]);
});

test('a numeric fault that two referees find rejects the payment at once', async (context) => {
  const { asker, address, providers } = await startMarket(context, [cheat(), honest(), honest(), honest()]);
  const answer = await asker.ask({ provider: address, referees: 1, maxPrice });
  assert.deepEqual(answer.verification.faults, ['exact-mismatch']);
  assert.deepEqual([answer.payment?.state, answer.payment?.paid], ['rejected', 0n]);
  assert.ok(answer.verification.referees.length >= 2);
  const receipt = asker.receipts.get(answer.receipt ?? assert.fail()) ?? assert.fail();
  assert.deepEqual(decodeReceipt(receipt).verdicts.at(-1)?.referees.map(jobIdHex), answer.verification.referees);
  await providers[0]?.paid.news.until('rejected');
});

test('a numeric fault that only one referee finds rejects nothing', async (context) => {
  const { asker, address } = await startMarket(context, [cheat(), honest()]);
  const answer = await asker.ask({ provider: address, referees: 1, maxPrice });
  assert.deepEqual([answer.verification.result, answer.payment?.state], ['inconclusive', 'confirmed']);
});

test('answer and referees together stay within the limit, which is checked before the prompt leaves', async (context) => {
  const { asker, address } = await startMarket(context, [honest(), honest()]);
  const alone = await asker.ask({ provider: address, maxPrice });
  const limit = Number(alone.payment?.locked ?? assert.fail('not paid'));
  const before = asker.told.filter((line) => line.startsWith('sending')).length;
  await assert.rejects(
    asker.ask({ provider: address, referees: 1, maxPrice: limit }),
    (error) =>
      error instanceof QvacError &&
      error.code === 'E_TOO_DEAR' &&
      Number(error.details?.priceLamports) > limit &&
      Number(error.details?.priceLamports) < 2 * limit,
  );
  assert.equal(asker.told.filter((line) => line.startsWith('sending')).length, before);
});

test('an auditor that the person chose re-executes before any referee is asked', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain, { engine: honest() });
  const other = await startPaidProvider(context, chain, { engine: honest() });
  const client = await clientPayments(context, chain);
  const auditor = await startRouter(context, { engines: [honest()] });
  const asker = await startAsker(context, {
    providers: [provider, other.provider],
    payments: client.payments,
    auditors: [auditor],
  });
  const answer = await asker.ask({ provider: provider.address, referees: 1, maxPrice });
  assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact']);
  assert.deepEqual([answer.referees.length, answer.verification.referees.length], [0, 0]);
  assert.match(answer.why ?? '', /^by auditor 12D3/);
  const receipt = asker.receipts.get(answer.receipt ?? assert.fail()) ?? assert.fail();
  assert.equal(decodeReceipt(receipt).verdicts.length, 2);
});
