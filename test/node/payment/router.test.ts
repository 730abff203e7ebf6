import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { escrowRules } from '../../../src/escrow/constants.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { Engine } from '../../../src/model/engine.ts';
import { openSpendingLimits } from '../../../src/node/payment/spending-limits.ts';
import { createSpendingAllowances } from '../../../src/node/router/allowances.ts';
import { promptTokenBound } from '../../../src/protocol/input/prompt-bound.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { movedClock } from '../../support/clock.ts';
import { temporaryHome } from '../../support/home.ts';
import { type TestProvider, testInput, testSampler } from '../../support/market.ts';
import { paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain, type TestChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { askRouter, code, receiveAnswer, startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;

/** A router that pays for its clients within `limitOf`. */
async function startPayer(
  context: TestContext,
  chain: TestChain,
  providers: readonly TestProvider[],
  limitOf: (client: PeerIdString) => bigint,
  engines: readonly Engine[] = [],
) {
  const wallet = await clientPayments(context, chain);
  const clock = movedClock();
  const path = join(await temporaryHome(context), 'spent.json');
  const init = { path, limitOf: (person: string) => limitOf(person as PeerIdString) };
  const open = () => openSpendingLimits({ clock, logger: silentLogger }, init);
  const { payments } = wallet;
  const limits = await open();
  const allowances = createSpendingAllowances({ payments, limits, logger: silentLogger });
  const router = await startRouter(context, { providers, engines, allowances });
  /** Writes happen in order: once this one is done, so are those before it. */
  const saved = () => limits.reserve('0'.repeat(64), 'anybody', 0n);
  return { router, wallet, clock, open, saved };
}

test('a router pays for its owner, and reports what each answer cost', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain);
  const { router, wallet } = await startPayer(context, chain, [provider], () => 1n << 62n, [createScriptedEngine()]);
  const before = await wallet.escrow.balance();
  const answer = await receiveAnswer(await askRouter(context, router, { maxPrice, verify: 'full' }));
  assert.equal(answer.verdict?.verdict.result, 'pass');
  const { payment } = await router.events.until('answered');
  assert.equal(payment?.state, 'confirmed');
  assert.equal(await wallet.escrow.balance(), before - (payment?.paid ?? 0n) - 10_000n);
  assert.equal((await paid.news.until('paid')).news.lamports, payment?.paid);
  assert.deepEqual(await readdir(wallet.dir), []);
});

test('a router pays nothing for others, and for an allowed client at most its limit for 24 h', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const [friend, stranger] = [
    await startPeer(context, { role: 'client' }),
    await startPeer(context, { role: 'client' }),
  ];
  // While an answer is under way, its amount, the rent of its account and the fees count; then what it cost.
  const rent = await (await chain.wallet()).rent(escrowRules.jobAccountBytes);
  const limit = paidPriceOf(promptTokenBound(testInput), testSampler.maxTokens) + rent + 50_000n + 120_000n;
  const { router, clock, open, saved } = await startPayer(context, chain, [provider], (client) =>
    client === friend.id ? limit : 0n,
  );
  const ask = async (peer: typeof friend): Promise<void> => {
    const asked = await askRouter(context, router, { maxPrice }, peer);
    await receiveAnswer(asked);
    const { jobId } = asked.job.received;
    await router.events.until('answered', 60_000, (event) => event.jobId === jobId);
  };
  await assert.rejects(ask(stranger), code('E_LIMIT'));
  let answered = 0;
  await assert.rejects(async () => {
    for (; answered < 10; answered++) await ask(friend);
  }, code('E_LIMIT'));
  assert.equal(answered, 2);
  const spent = router.events.all
    .flatMap((event) => (event.event === 'answered' && event.payment !== null ? [event.payment] : []))
    .reduce((sum, { paid, fees }) => sum + paid + fees, 0n);
  assert.ok(spent <= limit && spent > 0n);
  // Another process of the same home reads the spending, and a day later it no longer counts.
  await saved();
  assert.equal((await open()).left(friend.id), limit - spent);
  clock.move(86_400_001);
  assert.equal((await open()).left(friend.id), limit);
});

test('concurrent questions stay within the limit, and late settlements count with their amount', async (context) => {
  const chain = await startChain(context);
  const friend = await startPeer(context, { role: 'client' });
  const { open } = await startPayer(context, chain, [], () => 150n);
  const [limits, first, second] = [await open(), '1'.repeat(64), '2'.repeat(64)];
  const reserve = (id: string): Promise<boolean> => limits.reserve(id, friend.id, 100n);
  assert.deepEqual(await Promise.all([reserve(first), reserve(second)]), [true, false]);
  // Another process of the same home, which finds the payment again.
  const later = await open();
  later.charge(first, 30n);
  later.charge(second, 100n);
  assert.equal(later.left(friend.id), 120n);
  assert.equal(await later.reserve(second, friend.id, 120n), true);
});

test('a cheat behind a router earns nothing; a failing provider declines before another is paid', async (context) => {
  const chain = await startChain(context);
  const cheat = await startPaidProvider(context, chain, {
    engine: disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine()),
  });
  const first = await startPayer(context, chain, [cheat.provider], () => 1n << 62n, [createScriptedEngine()]);
  const caught = await receiveAnswer(await askRouter(context, first.router, { maxPrice, verify: 'full' }));
  assert.equal(caught.verdict?.verdict.result, 'fail');
  assert.equal((await first.router.events.until('answered')).payment?.state, 'rejected');
  await cheat.paid.news.until('rejected');

  const broken = await startPaidProvider(context, chain, {
    offering: { priceIn: 1_000, priceOut: 1_000 },
    script: {
      async beforeStep() {
        throw new Error('broken');
      },
    },
  });
  const good = await startPaidProvider(context, chain);
  const second = await startPayer(context, chain, [broken.provider, good.provider], () => 1n << 62n);
  const { picked } = await receiveAnswer(await askRouter(context, second.router, { maxPrice }));
  assert.deepEqual(picked, [broken.provider.peer.id, good.provider.peer.id]);
  await broken.paid.news.until('declined');
  assert.equal((await second.router.events.until('answered')).payment?.state, 'confirmed');
});
