import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProviderAccount } from '../../../src/escrow/escrow.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { recordsOf } from '../../../src/node/payment/chain-record.ts';
import type { ChainRecord } from '../../../src/node/payment/payments.ts';
import { chainReliability } from '../../../src/node/selection/chain-reliability.ts';
import { createReputation } from '../../../src/node/selection/reputation.ts';
import { type SelectionCriteria, select } from '../../../src/node/selection/select.ts';
import { startAsker } from '../../support/asking.ts';
import { otherSeed } from '../../support/cheats/transcripts.ts';
import { startProvider, type TestProviderInit } from '../../support/market.ts';
import { clientPayments, providerPayments, SOL, startChain } from '../../support/payments.ts';

const prices = { priceIn: 100_000, priceOut: 2_000_000 };
const maxPrice = 10_000_000;
const newcomer: ChainRecord = {
  stake: SOL,
  freeStake: SOL,
  active: true,
  completed: 0,
  refunded: 0,
  rejected: 0,
  slashed: 0,
};

test('completed jobs raise no provider above a newcomer, and bad outcomes weigh by what they prove', () => {
  assert.equal(chainReliability(newcomer), 1);
  assert.equal(chainReliability({ ...newcomer, completed: 1_000_000 }), 1);
  const [refunded, rejected, slashed] = [{ refunded: 1 }, { rejected: 1 }, { slashed: 1 }].map((bad) =>
    chainReliability({ ...newcomer, ...bad }),
  ) as [number, number, number];
  assert.ok(1 > refunded && refunded > rejected && rejected > slashed && slashed > 0);
  assert.ok(chainReliability({ ...newcomer, completed: 100, rejected: 1 }) > rejected);
  assert.equal(
    chainReliability({ ...newcomer, completed: 1_000_000, slashed: 1 }),
    slashed,
    'jobs of a provider with itself cost fees alone',
  );
  assert.ok(chainReliability({ ...newcomer, slashed: 2 }) < slashed);
});

test('a node that several wallets registered has the counts of all of them', () => {
  const [peer, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const account: ProviderAccount = {
    address: peer,
    authority: peer,
    peer,
    stake: SOL,
    lockedStake: 0n,
    freeStake: SOL,
    active: true,
    jobsCreated: 9n,
    jobsCompleted: 3n,
    jobsRefunded: 1,
    jobsRejected: 1,
    jobsSlashed: 1,
    registeredAt: 0,
    unstake: null,
  };
  const anew: ProviderAccount = {
    ...account,
    stake: 2n * SOL,
    freeStake: SOL / 2n,
    jobsCompleted: 0n,
    jobsRefunded: 0,
    jobsRejected: 0,
    jobsSlashed: 0,
  };
  const expected: ChainRecord = {
    stake: 2n * SOL,
    freeStake: SOL / 2n,
    active: true,
    completed: 3,
    refunded: 1,
    rejected: 1,
    slashed: 1,
  };
  for (const accounts of [
    [account, anew, { ...account, peer: other }],
    [anew, { ...account, peer: other }, account],
  ])
    assert.deepEqual(recordsOf(accounts).get(toHex(peer)), expected);
});

test('the chain’s records count in the selection, but a free provider needs none', async (context) => {
  const [one, two] = [await startProvider(context), await startProvider(context)];
  const cards = [one, two].map((provider) => provider.card());
  const criteria: SelectionCriteria = {
    model: undefined,
    mode: 'merkle',
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
  for (const bad of [{ refunded: 1 }, { rejected: 1 }, { slashed: 1 }]) {
    for (const [worse, better] of [
      [one, two],
      [two, one],
    ] as const) {
      assert.deepEqual(
        choose(new Map([[key(worse), { ...newcomer, ...bad }]])).map(({ card }) => card.peer),
        [better.peer.id, worse.peer.id],
      );
    }
  }
});

test('a slashed provider is ranked lower by clients that never used it', async (context) => {
  const chain = await startChain(context);
  const start = (init: TestProviderInit) =>
    startProvider(context, {
      ...init,
      offering: { ...prices, ...init.offering },
      payments: async (peer) => (await providerPayments(context, chain, peer)).payments,
    });
  const cheat = await start({ createTranscript: otherSeed, offering: { tokensPerSecond: 2_000 } });
  const honest = await start({});
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
