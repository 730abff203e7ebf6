import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../../src/model/engine.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { peerIdOf } from '../../../src/proofs/signing.ts';
import { decodeVerdict } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { startProvider } from '../../support/market.ts';
import {
  clientPayments,
  type PaidProvider,
  providerPayments,
  startChain,
  unlimitedAllowances,
} from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { askRouter, receiveAnswer, startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

// Another node must confirm a numeric fault before the provider's payment is rejected.

const prices = { priceIn: 100_000, priceOut: 2_000_000 };
const maxPrice = 10_000_000;

const honest = (): Engine => createScriptedEngine();
/** The same file on a machine that computes wrongly, or a cheaper one under its name. */
const wrong = (): Engine => disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine());

async function startMarket(context: TestContext, engine: Engine) {
  const chain = await startChain(context);
  let paid: PaidProvider | undefined;
  const provider = await startProvider(context, {
    engine,
    offering: prices,
    async payments(peer) {
      paid = await providerPayments(context, chain, peer);
      return paid.payments;
    },
  });
  const client = await clientPayments(context, chain);
  return { provider, client, paid: paid ?? assert.fail('the provider has no payouts') };
}

const verdictsOf = (receipt: Receipt | undefined) =>
  (receipt?.verdicts ?? [])
    .map(({ body }) => decodeVerdict(body))
    .map(({ verifier, result }) => [peerIdOf(verifier), result]);

test('a fault that only this machine finds is inconclusive, and the provider is paid', async (context) => {
  const { provider, client } = await startMarket(context, honest());
  const auditor = await startRouter(context, { engines: [honest()] });
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [wrong()],
    payments: client.payments,
    auditors: [auditor],
  });
  const { verification, why, payment, receipt } = await asker.ask({ maxPrice });
  assert.deepEqual(
    [verification.result, verification.faults, payment?.state, payment?.burnt],
    ['inconclusive', [], 'confirmed', 0n],
  );
  assert.match(why ?? '', /exact-mismatch in one re-execution, not in a second one/);
  assert.deepEqual(verdictsOf(asker.receipts.get(receipt ?? assert.fail())), [
    [auditor.peer.id, 'pass'],
    [asker.peer.id, 'inconclusive'],
  ]);
});

test('an answer with a fault that an auditor confirms is rejected, and both verdicts are kept', async (context) => {
  const { provider, client, paid } = await startMarket(context, wrong());
  const auditor = await startRouter(context, { engines: [honest()] });
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [honest()],
    payments: client.payments,
    auditors: [auditor],
  });
  const { verification, payment, receipt } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.faults, payment?.state, payment?.paid], [['exact-mismatch'], 'rejected', 0n]);
  assert.deepEqual(verdictsOf(asker.receipts.get(receipt ?? assert.fail())), [
    [auditor.peer.id, 'fail'],
    [asker.peer.id, 'fail'],
  ]);
  await paid.news.until('rejected');
});

test('without an auditor, this machine re-executes; a node without the model receives nothing', async (context) => {
  const { provider, client } = await startMarket(context, wrong());
  let asked = 0;
  const without = await startRouter(context, { engines: [], serves: () => ((asked += 1), true) });
  const refusing = await startRouter(context, { engines: [honest()], serves: () => false });
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [honest()],
    payments: client.payments,
    auditors: [without, refusing],
  });
  const { verification, payment, receipt } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.faults, payment?.state, asked], [['exact-mismatch'], 'rejected', 0]);
  assert.deepEqual(verdictsOf(asker.receipts.get(receipt ?? assert.fail())), [[asker.peer.id, 'fail']]);
});

test('a paying router asks its auditor, too, but not about other clients’ questions', async (context) => {
  const { provider, client } = await startMarket(context, honest());
  const auditor = await startRouter(context, { engines: [honest()] });
  const friend = await startPeer(context, { role: 'client' });
  const allowances = await unlimitedAllowances(client.payments);
  const router = await startRouter(context, {
    providers: [provider],
    engines: [wrong()],
    allowances,
    auditors: [auditor],
    audits: (id) => id !== friend.id,
  });
  const { verdict } = await receiveAnswer(await askRouter(context, router, { maxPrice, verify: 'full' }));
  assert.equal(verdict?.verdict.result, 'inconclusive');
  assert.equal((await router.events.until('answered')).payment?.state, 'confirmed');
  assert.deepEqual(verdictsOf([...router.receipts.values()][0]), [
    [auditor.peer.id, 'pass'],
    [router.peer.id, 'inconclusive'],
  ]);

  const others = await receiveAnswer(await askRouter(context, router, { maxPrice, verify: 'full' }, friend));
  assert.equal(others.verdict?.verdict.result, 'fail');
  assert.deepEqual(verdictsOf([...router.receipts.values()][1]), [[router.peer.id, 'fail']]);
});
