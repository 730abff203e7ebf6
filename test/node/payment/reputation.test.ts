import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProviderAccount } from '../../../src/escrow/accounts.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { recordsOf } from '../../../src/node/payment/chain-record.ts';
import type { ChainRecord } from '../../../src/node/payment/payments.ts';
import { chainReliability } from '../../../src/node/selection/chain-reliability.ts';
import { createReputation } from '../../../src/node/selection/reputation.ts';
import { type SelectionCriteria, select } from '../../../src/node/selection/select.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { otherSeed } from '../../support/cheats/transcripts.ts';
import { startProvider } from '../../support/market.ts';
import { paidPrices, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, SOL, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { openRawPaidJob } from '../../support/raw-paid-job.ts';

const maxPrice = 10_000_000;
const dayMs = 86_400_000;
const newcomer: ChainRecord = { stake: SOL, freeStake: SOL, earned: 0n, rejected: 0n, slashed: 0, ageMs: 0 };
const established: ChainRecord = { ...newcomer, earned: SOL, ageMs: 365 * dayMs };

test('a newcomer starts below a provider that has earned for a while', () => {
  assert.equal(chainReliability(established), 1);
  const started = chainReliability(newcomer);
  assert.ok(started > 0.5 && started < 1);
  // Neither money alone, which a provider can pay itself, nor time alone makes up for the other.
  assert.equal(chainReliability({ ...newcomer, earned: 1_000_000n * SOL }), started);
  assert.equal(chainReliability({ ...newcomer, ageMs: 365 * dayMs }), started);
  const halfway = chainReliability({ ...newcomer, earned: SOL, ageMs: 15 * dayMs });
  assert.ok(started < halfway && halfway < 1);
});

test('rejections count by the money that they burnt, and a slash is not to be made up for', () => {
  const rejected = (lamports: bigint): number => chainReliability({ ...established, rejected: lamports });
  // 15 rejected jobs of one lamport each say nothing.
  assert.ok(rejected(15n) > 0.999);
  assert.ok(chainReliability({ ...newcomer, rejected: 15n }) > 0.999 * chainReliability(newcomer));
  assert.ok(rejected(SOL / 100n) < rejected(15n) && rejected(SOL) < rejected(SOL / 100n) && rejected(SOL) < 0.2);
  const slashed = chainReliability({ ...established, slashed: 1 });
  assert.ok(slashed < 0.3 && slashed > 0);
  assert.equal(chainReliability({ ...established, earned: 1_000n * SOL, slashed: 1 }), slashed);
  assert.ok(chainReliability({ ...established, slashed: 2 }) < slashed);
});

test('a node that several wallets registered has the bad record of all of them, and the age of the newest', () => {
  const [peer, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const now = 100 * dayMs;
  const account: ProviderAccount = {
    address: peer,
    authority: peer,
    peer,
    stake: SOL,
    lockedStake: 0n,
    freeStake: SOL,
    jobsCompleted: 3n,
    earned: 300n,
    jobsRejected: 1,
    rejected: 70n,
    jobsSlashed: 1,
    bindings: 0,
    registeredAt: 0,
  };
  const anew: ProviderAccount = {
    ...account,
    stake: 2n * SOL,
    freeStake: SOL / 2n,
    jobsCompleted: 0n,
    earned: 0n,
    jobsRejected: 0,
    rejected: 0n,
    jobsSlashed: 0,
    registeredAt: 90 * dayMs,
  };
  const expected: ChainRecord = {
    stake: 2n * SOL,
    freeStake: SOL / 2n,
    earned: 300n,
    rejected: 70n,
    slashed: 1,
    ageMs: 10 * dayMs,
  };
  for (const accounts of [
    [account, anew, { ...account, peer: other }],
    [anew, { ...account, peer: other }, account],
  ])
    assert.deepEqual(recordsOf(accounts, now).get(toHex(peer)), expected);
});

test('the chain’s records count in the selection, but a free provider needs none', async (context) => {
  const [one, two] = [await startProvider(context), await startProvider(context)];
  const cards = [one, two].map((provider) => provider.card());
  const criteria: SelectionCriteria = {
    model: undefined,
    mode: modes.merkle,
    promptTokens: 10,
    maxTokens: 10,
    maxPrice: 1_000_000,
    only: null,
  };
  const reputation = createReputation({ clock: { now: () => 1_000 }, logger: silentLogger }, { path: null });
  const choose = (records: ReadonlyMap<string, ChainRecord>) =>
    select({ reputation, inFlight: () => 0, records, refusal: () => null }, cards, criteria).choices;
  const key = (provider: typeof one): string => toHex(provider.peer.key.publicKey);
  assert.equal(choose(new Map()).length, 2);
  for (const bad of [{ rejected: SOL }, { slashed: 1 }]) {
    for (const [worse, better] of [
      [one, two],
      [two, one],
    ] as const) {
      assert.deepEqual(
        choose(new Map([[key(worse), { ...established, ...bad }]])).map(({ card }) => card.peer),
        [better.peer.id, worse.peer.id],
      );
    }
  }
});

test('a slashed provider is ranked lower by clients that never used it', async (context) => {
  const chain = await startChain(context);
  const offering = { ...paidPrices, tokensPerSecond: 1_000 };
  const { provider: cheat } = await startPaidProvider(context, chain, {
    createTranscript: otherSeed,
    offering: { ...offering, tokensPerSecond: 2_000 },
  });
  const { provider: honest } = await startPaidProvider(context, chain, { offering });
  const victim = await startAsker(context, {
    providers: [cheat],
    payments: (await clientPayments(context, chain)).payments,
  });
  assert.equal((await victim.ask({ maxPrice })).payment?.state, 'slashed');
  const stranger = await startAsker(context, {
    providers: [cheat, honest],
    payments: (await clientPayments(context, chain)).payments,
  });
  assert.equal((await stranger.ask({ maxPrice })).provider, honest.peer.id);
});

test('refunds and rejected jobs of one lamport smear no provider', async (context) => {
  const chain = await startChain(context);
  const offering = { priceJob: 1, priceIn: 0, priceOut: 0, tokensPerSecond: 100 };
  const { provider, paid, escrow } = await startPaidProvider(context, chain, { offering });
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const { payments } = await clientPayments(context, chain);
  const reliability = async (): Promise<number> => {
    const accounts = await escrow.providers();
    const record = recordsOf(accounts, await escrow.now()).get(toHex(provider.peer.key.publicKey));
    return chainReliability(record ?? assert.fail('it has no record'));
  };
  const before = await reliability();
  const market = { provider, authority: escrow.wallet, buyer };
  // Accepted jobs that nobody acknowledges, which the provider gives back.
  for (let each = 0; each < 3; each++) {
    const job = await openRawPaidJob(context, market, { maxTokens: 40 }, peer);
    await job.accept();
    job.stream.abort(new Error('gone'));
    await buyer.waitForJob(job.account, (seen) => seen === null);
  }
  assert.equal(await reliability(), before);
  for (let each = 0; each < 3; each++) {
    const job = await openRawPaidJob(context, market, { maxTokens: 40 }, peer);
    await job.receive();
    await paid.news.until('submitted', 60_000, ({ news }) => news.job === job.raw.jobId);
    const account = (await buyer.job(job.account)) ?? assert.fail('it has ended');
    await buyer.rejectJob(account, new Uint8Array(32));
  }
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual([account?.jobsRejected, account?.rejected], [3, 3n]);
  assert.ok((await reliability()) > 0.999 * before);
  // It is still chosen.
  const asker = await startAsker(context, { providers: [provider], payments });
  assert.equal((await asker.ask({ maxPrice })).payment?.state, 'confirmed');
});
