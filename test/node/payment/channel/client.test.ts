import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { roomWaitMs } from '../../../../src/node/payment/channel/constants.ts';
import { OfferRefusal } from '../../../../src/node/provider/refusal.ts';
import { startChannelAsker } from '../../../support/channel-asker.ts';
import { testSampler } from '../../../support/market.ts';
import { paidPriceOf, startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

const maxPrice = 10_000_000;
/** Short answers: the provider settles what exceeds ten fees. */
const sampler = { ...testSampler, maxTokens: 10 };

test('a session costs two transactions, one of them its payer’s: every answer in it touches no chain', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain);
  const asker = await startChannelAsker(context, chain, { providers: [provider], engines: [createScriptedEngine()] });
  const before = await asker.client.escrow.balance();
  const stake = await paid.escrow.provider(paid.escrow.wallet);
  let cost = 0n;
  for (let turn = 1; turn <= 3; turn++) {
    const answer = await asker.ask({ maxPrice, sampler });
    assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact']);
    const promptCount = provider.receipts.get(answer.receipt ?? ('' as never))?.promptTokens.length ?? 0;
    const price = paidPriceOf(promptCount, answer.tokens);
    const { payment } = answer;
    assert.deepEqual([payment?.state, payment?.paid, payment?.fees], ['released', price, 0n]);
    assert.equal(answer.costLamports, price);
    cost += price;
    const deposit = payment?.channel?.deposit ?? 0n;
    assert.equal(payment?.channel?.left, deposit - cost);
  }
  const { news: opened } = await asker.news.until('opened');
  const [listed] = await (await asker.channels()).list();
  assert.deepEqual(
    [listed?.channel.totals, listed?.channel.kept.answers],
    [{ committedLamports: cost, releasedLamports: cost }, 3],
  );
  assert.equal(opened.depositLamports, listed?.account?.deposit);
  // Nothing was settled, and nothing else was signed.
  assert.equal(listed?.account?.released, 0n);
  await chain.warp(121);
  const closing = await (await asker.channels()).close(opened.channel);
  assert.ok(closing.state === 'closing' || closing.state === 'closed');
  assert.equal((await paid.channelNews.until('closed')).news.lamports, cost);
  if (closing.state === 'closing') await (await asker.channels()).close(opened.channel);
  const { news: closed } = await asker.news.until('closed');
  assert.deepEqual([closed.outcome?.paid, closed.outcome?.refunded], [cost, opened.depositLamports - cost]);
  assert.deepEqual(await readdir(asker.channelDir), []);
  // The price, and the fee of one transaction with the signature of the terms.
  assert.equal(await asker.client.escrow.balance(), before - cost - 10_000n);
  const after = await paid.escrow.provider(paid.escrow.wallet);
  assert.equal(after?.stake, (stake?.stake ?? 0n) + cost);
});

test('auto: the first answer of a provider is paid by a job, a channel pays the further ones, within --deposit', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const asker = await startChannelAsker(context, chain, { providers: [provider], policy: { pay: 'auto' } });
  const first = await asker.ask({ maxPrice, sampler });
  assert.deepEqual([first.payment?.state, first.payment?.channel], ['confirmed', null]);
  const second = await asker.ask({ maxPrice, sampler });
  const third = await asker.ask({ maxPrice, sampler });
  assert.deepEqual([second.payment?.state, third.payment?.state], ['released', 'released']);
  assert.equal(second.payment?.channel?.id, third.payment?.channel?.id);
  // The price of ten answers, of which each locks as much as the longest can cost.
  const { news } = await asker.news.until('opened');
  assert.equal(news.depositLamports, 10n * (second.payment?.locked ?? 0n));

  const poor = await startChannelAsker(context, chain, {
    providers: [provider],
    policy: { pay: 'auto', maxDepositLamports: 2n * (second.payment?.locked ?? 0n) - 1n },
  });
  await poor.ask({ maxPrice, sampler });
  const byJob = await poor.ask({ maxPrice, sampler });
  assert.equal(byJob.payment?.state, 'confirmed');

  const never = await startChannelAsker(context, chain, { providers: [provider], policy: { pay: 'job' } });
  await never.ask({ maxPrice, sampler });
  assert.equal((await never.ask({ maxPrice, sampler })).payment?.state, 'confirmed');
});

test('a deposit is raised before it runs out, and never above the limit', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const probe = await startChannelAsker(context, chain, { providers: [provider] });
  const amount = (await probe.ask({ maxPrice, sampler })).payment?.locked ?? 0n;
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    policy: { maxDepositLamports: (25n * amount) / 10n },
  });
  const channels = await asker.channels();
  const live = provider.card();
  const opened = await channels.open({
    provider: live.peer,
    key: live.card.peer,
    pay: live.card.pay ?? assert.fail('it is free'),
    depositLamports: amount,
    windowLamports: amount,
    isKept: false,
  });
  assert.equal((await asker.ask({ maxPrice, sampler })).payment?.state, 'released');
  assert.equal((await asker.ask({ maxPrice, sampler })).payment?.state, 'released');
  assert.equal(opened.depositLamports, (25n * amount) / 10n);
  while (opened.leftLamports >= amount) await asker.ask({ maxPrice, sampler });
  // Nothing but a channel is allowed, and this one is used up.
  await assert.rejects(asker.ask({ maxPrice, sampler }), { code: 'E_LIMIT' });
  assert.ok(opened.totals.committedLamports <= opened.depositLamports);
});

test('a deposit doubles with each raise, so that a long session needs few of them', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const asker = await startChannelAsker(context, chain, { providers: [provider] });
  const amount = (await asker.ask({ maxPrice, sampler })).payment?.locked ?? 0n;
  const [listed] = await (await asker.channels()).list();
  const { channel } = listed ?? assert.fail('no channel');
  const deposits = new Set([channel.depositLamports]);
  for (let answers = 1; answers < 45 && deposits.size < 3; answers++) {
    await asker.ask({ maxPrice, sampler });
    deposits.add(channel.depositLamports);
  }
  assert.deepEqual([...deposits], [10n * amount, 20n * amount, 40n * amount]);
});

test('answers under way at once share a channel: its totals are their sum', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain, { script: { slots: 3, queue: 8 } });
  const asker = await startChannelAsker(context, chain, { providers: [provider] });
  const first = await asker.ask({ maxPrice, sampler });
  const answers = await Promise.all(Array.from({ length: 6 }, () => asker.ask({ maxPrice, sampler, pay: 'auto' })));
  const paidBy = [first, ...answers].filter(({ payment }) => payment?.state === 'released');
  assert.ok(paidBy.length >= 3, `${paidBy.length} answers were paid from the channel`);
  const [listed] = await (await asker.channels()).list();
  const sum = paidBy.reduce((total, { costLamports }) => total + costLamports, 0n);
  assert.deepEqual(listed?.channel.totals, { committedLamports: sum, releasedLamports: sum });
});

test('a provider that takes no offer from its channel is paid by a job instead', async (context) => {
  const chain = await startChain(context);
  let offers = 0;
  const { provider } = await startPaidProvider(context, chain, {
    wrapJob(job) {
      // A job, an answer in the channel, and one that it does not take.
      if (++offers === 3) throw new OfferRefusal('bad-offer', 'not from a channel');
      return job;
    },
  });
  const asker = await startChannelAsker(context, chain, { providers: [provider], policy: { pay: 'auto' } });
  const answers = [];
  for (let turn = 0; turn < 4; turn++) answers.push(await asker.ask({ maxPrice, sampler }));
  assert.deepEqual(
    answers.map(({ payment }) => payment?.state),
    ['confirmed', 'released', 'confirmed', 'confirmed'],
  );
  assert.equal(offers, 5);
});

test('answers that wait for room find the deposit raised again, and never fail for it', async (context) => {
  const chain = await startChain(context);
  // The first ones take longer than others would wait that a job can pay, too.
  let held: Promise<void> | null = null;
  const beforeStep = (): Promise<void> => (held ??= delay(roomWaitMs + 100));
  const { provider } = await startPaidProvider(context, chain, { script: { slots: 4, queue: 32, beforeStep } });
  const asker = await startChannelAsker(context, chain, { providers: [provider], policy: { isShared: true } });
  // More than a deposit covers, and three times as many as the window lets run at once.
  const answers = await Promise.all(Array.from({ length: 12 }, () => asker.ask({ maxPrice, sampler })));
  assert.deepEqual([...new Set(answers.map(({ payment }) => payment?.state))], ['released']);
  const [listed] = await (await asker.channels()).list();
  const { terms } = listed?.channel ?? assert.fail('no channel');
  const amount = answers[0]?.payment?.locked ?? 0n;
  // Four answers at once: three fit into the window, and one more is taken while they run.
  assert.equal(terms.windowLamports, 3n * amount);
  const sum = answers.reduce((total, { costLamports }) => total + costLamports, 0n);
  assert.deepEqual(listed?.channel.totals, { committedLamports: sum, releasedLamports: sum });
});
