import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import type { EvidenceAccount } from '../../../../src/escrow/accounts.ts';
import { escrowRules } from '../../../../src/escrow/constants.ts';
import type { Escrow } from '../../../../src/escrow/escrow.ts';
import { fromHex } from '../../../../src/lib/bytes.ts';
import { modes } from '../../../../src/protocol/messages.ts';
import { createGate } from '../../../support/gate.ts';
import { type PaidProviderInit, startPaidProvider } from '../../../support/paid.ts';
import { providerPayments, startChain } from '../../../support/payments.ts';
import { openRawChannel, type RawChannelJob } from '../../../support/raw-channel.ts';
import { openRawPaidJob } from '../../../support/raw-paid-job.ts';

// What a provider does about a challenge on the chain: the client asked it for an opening, and it gave none.

async function start(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const started = await startPaidProvider(context, chain, init);
  const buyer = await chain.wallet();
  const channel = await openRawChannel(context, { provider: started.provider, buyer });
  return { chain, ...started, buyer, channel };
}

/** Keeps an answer on the chain by its newest head, and challenges steps of it. */
async function challenge(
  { channel, raw, heads }: RawChannelJob,
  positions: readonly number[],
): Promise<() => Promise<EvidenceAccount | null>> {
  const { buyer } = channel;
  const account = await channel.account();
  const head = heads.at(-1) ?? assert.fail('no head came');
  await buyer.createEvidence(account, { offer: raw.signed.body, head });
  const address = buyer.evidenceAddress(account.address, fromHex(raw.jobId));
  const evidence = (await buyer.evidence(address)) ?? assert.fail('no evidence');
  await buyer.challenge({ evidence, channel: account }, positions);
  return () => buyer.evidence(address);
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await holds())) {
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const mute = (whole: Escrow & { readonly wallet: Uint8Array }): Escrow & { readonly wallet: Uint8Array } => ({
  ...whole,
  answerChallenge: async () => {
    throw new QvacError('E_CHAIN', 'it says nothing');
  },
});

test('a provider opens what is challenged, and has the bonds', async (context) => {
  const { escrow, channel } = await start(context);
  const job = await channel.answer({ maxTokens: 40 });
  const stake = (await escrow.provider(escrow.wallet))?.stake ?? 0n;
  const evidence = await challenge(job, [0, 17, 39]);
  await eventually(async () => (await evidence())?.delivery.challenge?.open.length === 0);
  await eventually(async () => (await channel.account()).challengesOpen === 0);
  const account = await escrow.provider(escrow.wallet);
  assert.ok((account?.stake ?? 0n) >= stake + 3n * escrowRules.bondLamports);
  // The answer cannot be challenged again.
  const subject = { evidence: (await evidence()) ?? assert.fail(), channel: await channel.account() };
  await assert.rejects(channel.buyer.challenge(subject, [1]), (error) => isRefusal(error, 'AlreadyChallenged'));
});

function isRefusal(error: unknown, refusal: string): boolean {
  return error instanceof QvacError && error.details?.refusal === refusal;
}

test('a provider that is killed before its final head opens the steps of the head that it had sent', async (context) => {
  const gate = createGate(40);
  const { chain, provider, paid, escrow, channel } = await start(context, { script: { beforeStep: gate.beforeStep } });
  const job = await channel.offer({ maxTokens: 80 });
  await job.accept();
  await job.ack(0);
  await job.tokens(1);
  await job.ack(1);
  while (job.heads.length === 0) await job.next();
  await gate.reached;
  await provider.peer.stop();
  const evidence = await challenge(job, [3, 31]);
  const again = await providerPayments(context, chain, provider.peer, { dir: paid.dir, escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  await eventually(async () => (await evidence())?.delivery.challenge?.open.length === 0);
});

test('a provider that stays silent loses ten times the window: the client is compensated, the rest is burnt', async (context) => {
  const { chain, paid, escrow, buyer, channel } = await start(context, { wrap: mute });
  await channel.answer({ maxTokens: 10 });
  const job = await channel.offer({ maxTokens: 40 });
  await job.receive();
  await job.conclude('fail');
  const other = await channel.offer({ maxTokens: 10 });
  await other.receive();
  const evidence = await challenge(job, [1, 2]);
  const subject = async () => ({ evidence: (await evidence()) ?? assert.fail(), channel: await channel.account() });
  await chain.warp(121);
  await assert.rejects(buyer.slashSilence(await subject()), (error) => isRefusal(error, 'ChallengeNotDue'));
  await chain.warp(14_401);
  const [before, stake] = [await buyer.balance(), (await escrow.provider(escrow.wallet))?.stake ?? 0n];
  const { settled } = await channel.account();
  await buyer.slashSilence(await subject());
  await paid.channelNews.until('slashed');
  const window = 2_000_000n;
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual([account?.stake, account?.lockedStake, account?.jobsSlashed], [stake - 10n * window, 0n, 1]);
  assert.equal(await buyer.balance(), before + 20_000_000n - settled + window + (await buyer.rent(270)) - 5_000n);
  // Jobs under way in the channel end, and none is taken.
  await assert.rejects((await channel.offer({ maxTokens: 5 })).accept(), /the channel is not on the chain/);
  await buyer.closeEvidence((await evidence()) ?? assert.fail());
});

test('the answer of a job account is opened like one in a channel', async (context) => {
  const { provider, paid, escrow, buyer } = await start(context);
  const job = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 40 });
  await job.receive();
  await paid.news.until('submitted');
  const submitted = (await buyer.job(job.account)) ?? assert.fail('the job is closed');
  await buyer.challenge({ job: submitted }, [0, 39]);
  await eventually(async () => (await buyer.job(job.account))?.submitted?.challenge?.open.length === 0);
  await buyer.confirmJob(submitted);
  await paid.news.until('paid');
});

test('in mode none nothing is kept, and nothing can be challenged', async (context) => {
  const { channel } = await start(context);
  const job = await channel.offer({ maxTokens: 10, mode: modes.none });
  await job.receive();
  await job.conclude('pass');
  await assert.rejects(challenge(job, [1]), (error) => isRefusal(error, 'NotChallengeable'));
});

test('a channel can be challenged three times', async (context) => {
  const { channel } = await start(context);
  const jobs: RawChannelJob[] = [];
  for (let each = 0; each < 4; each++) jobs.push(await channel.answer({ maxTokens: 5 }));
  for (const job of jobs.slice(0, 3)) {
    const evidence = await challenge(job, [4]);
    await eventually(async () => (await evidence())?.delivery.challenge?.open.length === 0);
  }
  const last = jobs[3] ?? assert.fail();
  await assert.rejects(challenge(last, [4]), (error) => isRefusal(error, 'TooManyChallenges'));
  assert.equal((await channel.account()).challengesMade, 3);
});
