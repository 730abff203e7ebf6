import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { ChannelAccount, EvidenceAccount } from '../../../../src/escrow/accounts.ts';
import { escrowRules } from '../../../../src/escrow/constants.ts';
import type { Executed } from '../../../../src/escrow/escrow.ts';
import { fromHex } from '../../../../src/lib/bytes.ts';
import { decodeHead, encodeHead, isFinal } from '../../../../src/proofs/head.ts';
import { signBody } from '../../../../src/proofs/signing.ts';
import { finish, kinds, type Signed } from '../../../../src/protocol/messages.ts';
import { startChannelAsker, withOpen } from '../../../support/channel-asker.ts';
import { movedClock } from '../../../support/clock.ts';
import { createGate } from '../../../support/gate.ts';
import { testSampler } from '../../../support/market.ts';
import { type PaidProviderInit, paidPriceOf, startPaidProvider } from '../../../support/paid.ts';
import { SOL, startChain } from '../../../support/payments.ts';
import { openRawChannel, type RawChannelJob } from '../../../support/raw-channel.ts';
import { openRawPaidJob } from '../../../support/raw-paid-job.ts';

const window = 2_000_000n;
const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10 };

async function start(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, init);
  const buyer = await chain.wallet();
  const channel = await openRawChannel(context, { provider, buyer });
  return { chain, provider, paid, escrow, buyer, channel };
}

/** Takes a job as far as its first token. */
async function begin(job: RawChannelJob | Awaited<ReturnType<typeof openRawPaidJob>>): Promise<void> {
  await job.accept();
  await job.ack(0);
  await job.tokens(1);
  await job.ack(1);
}

/** Keeps an answer on the chain, for proofs. */
async function keep({ channel, raw, heads }: RawChannelJob): Promise<{
  readonly subject: { readonly evidence: EvidenceAccount; readonly channel: ChannelAccount };
  readonly executed: Executed;
  readonly head: Signed;
}> {
  const { buyer } = channel;
  const account = await channel.account();
  const head = heads.at(-1) ?? assert.fail('no head came');
  const executed = await buyer.createEvidence(account, { offer: raw.signed.body, head });
  const evidence = await buyer.evidence(buyer.evidenceAddress(account.address, fromHex(raw.jobId)));
  return { subject: { evidence: evidence ?? assert.fail('no evidence'), channel: account }, executed, head };
}

/** A second final head of the same answer. */
function otherHead({ channel, raw }: RawChannelJob, { body }: Signed): Signed {
  const head = decodeHead(body);
  assert.ok(isFinal(head));
  const { key } = channel.provider.peer;
  return signBody(key, kinds.head, raw.jobId, encodeHead({ ...head, root: new Uint8Array(32).fill(1) }));
}

test('a slash ends the jobs of its channel, and no other job of the provider', async (context) => {
  const gate = createGate(20);
  const { chain, provider, paid, escrow, buyer, channel } = await start(context, {
    script: { slots: 3, queue: 4, beforeStep: gate.beforeStep },
  });
  const answer = await channel.answer({ maxTokens: 10 });
  const second = await chain.wallet();
  const other = await openRawChannel(context, { provider, buyer: second });
  const doomed = await channel.offer({ maxTokens: 40 });
  const inOther = await other.offer({ maxTokens: 40 });
  const byJob = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer: second }, { maxTokens: 40 });
  for (const job of [doomed, inOther, byJob]) await begin(job);

  await chain.warp(121);
  const { subject, head } = await keep(answer);
  const before = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');
  assert.equal(before.lockedStake, 2n * escrowRules.slashMultiple * window);
  await buyer.slashEquivocation(subject, [otherHead(answer, head)]);
  await paid.channelNews.until('slashed');
  const slashed = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');
  assert.deepEqual(
    [slashed.stake, slashed.lockedStake],
    [before.stake - escrowRules.slashMultiple * window, escrowRules.slashMultiple * window],
  );

  // The job of the slashed channel is broken off over what it had sent; nobody pays for it.
  assert.equal((await doomed.final()).finish, finish.brokenOff);
  gate.open();
  for (const job of [inOther, byJob]) {
    const final = await job.final();
    assert.equal(final.n, 40);
    await job.ack(40);
  }
  await inOther.conclude('pass');
  const { news } = await paid.news.until('submitted');
  assert.equal(news.lamports, byJob.price(40, 40));
  await second.confirmJob((await second.job(byJob.account)) ?? assert.fail('it is closed'));
  await paid.news.until('paid');
  assert.equal(await other.send(), '');
  assert.equal((await paid.channelNews.until('closed')).news.lamports, other.released);
  const after = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');
  assert.deepEqual(
    [after.stake, after.lockedStake, after.jobsSlashed],
    [slashed.stake + news.lamports + other.released, 0n, 1],
  );
});

test('a provider that slashes itself through a second wallet loses nine windows, and frees no stake of others', async (context) => {
  const { chain, escrow, provider, buyer: accomplice, channel } = await start(context);
  const victim = await openRawChannel(context, { provider, buyer: await chain.wallet() });
  const answer = await channel.answer({ maxTokens: 10 });
  await chain.warp(121);
  const { address } = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');
  // Everything that both of its wallets own, wherever it lies.
  const places = [escrow.wallet, accomplice.wallet, address, channel.address];
  places.push(accomplice.evidenceAddress(channel.address, fromHex(answer.raw.jobId)));
  const everything = async (): Promise<bigint> => {
    const balances = await Promise.all(places.map((place) => accomplice.balance(place)));
    return balances.reduce((sum, each) => sum + each, 0n);
  };
  const before = await everything();
  const { stake, freeStake } = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');

  const { subject, executed: kept, head } = await keep(answer);
  const slash = await accomplice.slashEquivocation(subject, [otherHead(answer, head)]);
  const closed = await accomplice.closeEvidence(subject.evidence);

  // Of ten windows at risk, one reaches the accomplice and nine are burnt. Withdrawing ten would have cost one fee.
  const fees = kept.fee + slash.fee + closed.fee;
  assert.equal(before - (await everything()), (escrowRules.slashMultiple - 1n) * window + fees);
  const after = (await escrow.provider(escrow.wallet)) ?? assert.fail('not registered');
  assert.deepEqual([after.stake, after.jobsSlashed], [stake - escrowRules.slashMultiple * window, 1]);
  // What covers the victim's channel stays locked, and what was free is all that is left to withdraw.
  assert.deepEqual([after.lockedStake, after.freeStake], [escrowRules.slashMultiple * window, freeStake]);
  await assert.rejects(escrow.withdraw(after.freeStake + 1n), { code: 'E_ESCROW' });
  assert.equal((await victim.account()).stakeAtRisk, escrowRules.slashMultiple * window);
});

test('an authority with an empty wallet is paid once it can bring the totals to the chain; its payer waits no longer', async (context) => {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain);
  const asker = await startChannelAsker(context, chain, { providers: [provider] });
  await asker.ask({ maxPrice, sampler });
  // All but the fee goes into the stake.
  await escrow.addStake((await escrow.balance()) - 5_000n);
  assert.equal(await escrow.balance(), 0n);
  // Answers in a channel need no transaction of the provider.
  await asker.ask({ maxPrice, sampler });
  const channels = await asker.channels();
  const [listed] = await channels.list();
  const { id, totals } = listed?.channel ?? assert.fail('no channel');
  await chain.warp(121);
  assert.equal((await channels.close(id)).state, 'closing');
  await chain.warp(601);
  assert.equal((await channels.close(id)).state, 'requested');
  assert.equal((await escrow.provider(escrow.wallet))?.earned, 0n);
  await chain.fund(escrow.wallet, SOL);
  // Within the five hours of the request it can still close the channel with what the client signed.
  await paid.channelNews.until('closed');
  const ended = await channels.close(id);
  assert.deepEqual(
    [ended.state, ended.outcome?.paid, ended.outcome?.refunded],
    ['closed', totals.releasedLamports, ended.depositLamports - totals.releasedLamports],
  );
  assert.equal((await escrow.provider(escrow.wallet))?.earned, totals.releasedLamports);
  assert.equal((await readdir(paid.channelDir)).length, 0);
});

test('a client that is offline for an hour goes on with its channel: it pays for what it had, once', async (context) => {
  const clock = movedClock();
  const chain = await startChain(context);
  let cut = async (): Promise<void> => undefined;
  const { provider } = await startPaidProvider(context, chain, {
    payouts: { clock },
    script: { beforeStep: async (i) => (i === 40 ? cut() : undefined) },
  });
  let isOnline = true;
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    clock,
    wrapPeer: (peer) =>
      withOpen(peer, async (...args) => {
        if (isOnline) return peer.open(...args);
        throw new Error('there is no network');
      }),
  });
  const first = await asker.ask({ maxPrice, sampler });
  cut = async () => {
    isOnline = false;
    await provider.peer.disconnect(asker.peer.id);
  };
  await assert.rejects(asker.ask({ maxPrice, sampler: { ...sampler, maxTokens: 60 } }), { code: 'E_TRUNCATED' });
  const channels = await asker.channels();
  const totals = async () => (await channels.list())[0]?.channel.totals ?? assert.fail('no channel');
  const { committedLamports, releasedLamports } = await totals();
  assert.ok(committedLamports > first.costLamports && releasedLamports === committedLamports);

  clock.move(3_600_000);
  await chain.warp(3_600);
  isOnline = true;
  // The provider takes no further answer before the release of the last one, which it has not seen.
  const again = await asker.ask({ maxPrice, sampler });
  assert.deepEqual([again.payment?.state, again.payment?.channel?.id], ['released', first.payment?.channel?.id]);
  const after = await totals();
  assert.deepEqual(after, {
    committedLamports: committedLamports + again.costLamports,
    releasedLamports: committedLamports + again.costLamports,
  });
  // Of the broken answer it paid for 32 tokens: those of the last head that it acknowledged.
  const receipt = provider.receipts.get(again.receipt ?? assert.fail('no receipt'));
  const promptCount = receipt?.promptTokens.length ?? 0;
  assert.equal(committedLamports - first.costLamports, paidPriceOf(promptCount, 32));
  let news = await channels.close(first.payment?.channel?.id ?? assert.fail('no channel'));
  while (news.outcome === null) news = await channels.close(news.channel);
  assert.deepEqual([news.state, news.outcome.paid], ['closed', after.releasedLamports]);
});

test('a channel that expires in the middle of an answer: what is acknowledged is paid, and nothing further is taken', async (context) => {
  const gate = createGate(20);
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, {
    script: { beforeStep: gate.beforeStep },
  });
  const buyer = await chain.wallet();
  const channel = await openRawChannel(context, { provider, buyer }, { lifeS: 1_300 });
  const job = await channel.offer({ maxTokens: 40 });
  await begin(job);
  await chain.warp(1_301);
  // The chain has what is committed so far, whatever the payer does now: here it has the chain close the channel at once.
  while ((await channel.account()).committed < job.priceAt(1)) await new Promise((resolve) => setTimeout(resolve, 20));
  const late = await channel.offer({ maxTokens: 5 });
  await assert.rejects(late.accept(), /bad-offer: the channel expires before the answer has to be delivered/);
  await buyer.requestCloseChannel(await channel.account());
  // The answer under way goes on, and the chain takes its acknowledgements while the channel closes.
  gate.open();
  assert.equal((await job.final()).n, 40);
  await job.ack(40);
  await job.conclude('pass');
  const price = job.priceAt(40);
  while ((await channel.account()).settled < price) await new Promise((resolve) => setTimeout(resolve, 20));
  const before = await buyer.balance();
  await chain.warp(escrowRules.closeWindowMs / 1_000 + 1);
  await paid.channelNews.until('finished');
  assert.equal(await buyer.balance(), before + 20_000_000n - price + (await buyer.rent(270)));
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual([account?.earned, account?.lockedStake], [price, 0n]);
});
