import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainReliability } from '../../../src/node/client/payment/chain-record.ts';
import type { ChainRecord } from '../../../src/node/client/payment/payments.ts';
import { startAsker } from '../../support/asking.ts';
import { otherSeed } from '../../support/cheats/transcripts.ts';
import { startProvider } from '../../support/market.ts';
import type { TestProviderInit } from '../../support/market.ts';
import { SOL, clientPayments, providerPayments, startChain } from '../../support/payments.ts';

const prices = { priceIn: 100_000, priceOut: 2_000_000 };
const maxPrice = 10_000_000;
const newcomer: ChainRecord = { stake: SOL, freeStake: SOL, active: true, completed: 0, refunded: 0, rejected: 0, slashed: 0 };

test('good counts make nobody better than a newcomer, bad ones weigh by what they prove', () => {
  assert.equal(chainReliability(newcomer), 1);
  assert.equal(chainReliability({ ...newcomer, completed: 1_000_000 }), 1);
  const [refunded, rejected, slashed] = [{ refunded: 1 }, { rejected: 1 }, { slashed: 1 }].map((bad) => chainReliability({ ...newcomer, ...bad })) as [number, number, number];
  assert.ok(1 > refunded && refunded > rejected && rejected > slashed && slashed > 0);
  assert.ok(chainReliability({ ...newcomer, completed: 100, rejected: 1 }) > rejected);
});

test('who was slashed is passed over by people who never met it', async (context) => {
  const chain = await startChain(context);
  const start = (init: TestProviderInit) => startProvider(context, { ...init, offering: { ...prices, ...init.offering }, payments: async (peer) => (await providerPayments(context, chain, peer)).payments });
  const cheat = await start({ createTranscript: otherSeed, offering: { tokensPerSecond: 2_000 } });
  const honest = await start({});
  const victim = await startAsker(context, { providers: [cheat], payments: (await clientPayments(context, chain)).payments });
  assert.equal((await victim.ask({ maxPrice })).payment?.state, 'slashed');
  const stranger = await startAsker(context, { providers: [cheat, honest], payments: (await clientPayments(context, chain)).payments });
  assert.equal((await stranger.ask({ maxPrice })).provider, honest.peer.id);
});
