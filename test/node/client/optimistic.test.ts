import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { decodeReceipt } from '../../../src/proofs/receipt.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { startAsker, type TestAsker, type TestAskerInit } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { startProvider, type TestProvider, type TestProviderInit } from '../../support/market.ts';
import { startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const cheap = () => disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());

/** A record at which an answer is audited at the least rate alone. */
function establish({ reputation }: Pick<TestAsker, 'reputation'>, { peer }: TestProvider): void {
  reputation.record(peer.id, { kind: 'verified', lamports: 1e15 });
}

async function startMarket(
  context: TestContext,
  { provider: init = {}, asker: askerInit = {} }: { provider?: TestProviderInit; asker?: TestAskerInit } = {},
) {
  const provider = await startProvider(context, init);
  const asker = await startAsker(context, { providers: [provider], ...askerInit });
  return { provider, asker };
}

test('an answer taken on trust opens nothing, and says so', async (context) => {
  const { provider, asker } = await startMarket(context, { asker: { engines: [createScriptedEngine()] } });
  establish(asker, provider);
  const answer = await asker.ask({ verify: 'optimistic', auditRate: 0 });
  assert.deepEqual(answer.audit, { rate: 0, isDrawn: false });
  assert.deepEqual([answer.verification.result, answer.verification.tier], ['inconclusive', 'sampling']);
  assert.equal(answer.why, 'taken on trust: no answer is audited');
  const receipt = asker.receipts.get(answer.receipt ?? assert.fail()) ?? assert.fail();
  assert.deepEqual([decodeReceipt(receipt).offer.mode, receipt.opening, receipt.secret], [modes.fraud, null, null]);
  await provider.events.until('job-verdict');
  assert.equal(
    provider.events.all.some(({ event }) => event === 'job-opened'),
    false,
  );
});

test('a newcomer is audited at every answer, then as often as its record asks for', async (context) => {
  const { asker } = await startMarket(context, { asker: { engines: [createScriptedEngine()] } });
  for (const rate of [1, 1]) {
    const answer = await asker.ask({ verify: 'optimistic' });
    assert.deepEqual(answer.audit, { rate, isDrawn: true });
    assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact']);
  }
  const third = await asker.ask({ verify: 'optimistic' });
  // The two free answers before count for about one lamport each; they fade in days.
  assert.ok(Math.abs((third.audit?.rate ?? 0) - 0.5) < 0.01, `${third.audit?.rate}`);
});

test('an audit may be made by an auditor, or by referees', async (context) => {
  const auditor = await startRouter(context, { engines: [createScriptedEngine()] });
  const { asker } = await startMarket(context, { asker: { auditors: [auditor] } });
  const audited = await asker.ask({ verify: 'optimistic' });
  assert.deepEqual([audited.verification.result, audited.verification.tier], ['pass', 'exact']);
  assert.match(audited.why ?? '', /by auditor/);

  const [one, two] = [await startProvider(context), await startProvider(context)];
  const without = await startAsker(context, { providers: [one, two] });
  const refereed = await without.ask({ verify: 'optimistic', referees: 1 });
  assert.deepEqual([refereed.verification.tier, refereed.verification.referees.length], ['exact', 1]);
  establish(without, one);
  establish(without, two);
  const trusted = await without.ask({ verify: 'optimistic', referees: 1, auditRate: 0 });
  assert.deepEqual([trusted.audit?.isDrawn, trusted.referees], [false, []]);
});

test('a cheat is paid while it is trusted, and rejected within the window when it is audited', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain, { engine: cheap() });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [createScriptedEngine()],
    payments: client.payments,
  });
  establish(asker, provider);
  const wanted = { verify: 'optimistic', provider: provider.address, maxPrice: 10_000_000 } as const;
  const trusted = await asker.ask({ ...wanted, auditRate: 0 });
  assert.deepEqual([trusted.payment?.state, trusted.payment?.paid], ['confirmed', trusted.costLamports]);
  const audited = await asker.ask({ ...wanted, auditRate: 1 });
  assert.deepEqual(audited.verification.faults, ['exact-mismatch']);
  assert.deepEqual([audited.payment?.state, audited.payment?.paid], ['rejected', 0n]);
  // Its record is void now.
  const named = await asker.ask({ ...wanted, auditRate: 0 });
  assert.deepEqual([named.audit?.rate, named.verification.result], [1, 'fail']);
});

test('through a router, a challenge asks for every check, and trust ends the answer at once', async (context) => {
  const provider = await startProvider(context);
  const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()], auditRate: 0 });
  router.reputation.record(provider.peer.id, { kind: 'verified', lamports: 1e15 });
  const asker = await startAsker(context);
  const wanted = {
    model: 'scripted',
    verify: 'optimistic',
    router: { target: router.address, optional: false },
  } as const;
  const trusted = await asker.ask({ ...wanted, auditRate: 0 });
  assert.deepEqual([trusted.verification.result, trusted.audit?.isDrawn], ['inconclusive', false]);
  assert.equal((await router.events.until('answered')).tier, 'text');
  const audited = await asker.ask({ ...wanted, auditRate: 1 });
  assert.deepEqual([audited.verification.result, audited.verification.tier], ['pass', 'exact']);
  assert.match(audited.why ?? '', /by router/);
});

test('a router re-executes what nobody asked it to, as often as the provider’s record asks for', async (context) => {
  const [honest, cheat] = [await startProvider(context), await startProvider(context, { engine: cheap() })];
  const router = await startRouter(context, {
    providers: [honest, cheat],
    engines: [createScriptedEngine()],
    auditRate: 0,
  });
  const asker = await startAsker(context);
  const wanted = {
    verify: 'sampling',
    model: 'scripted',
    router: { target: router.address, optional: false },
  } as const;
  router.reputation.record(cheat.peer.id, { kind: 'fault', fault: 'draws-far' });
  const first = await asker.ask(wanted);
  assert.deepEqual(
    [first.provider, first.verification.result, first.verification.tier],
    [honest.peer.id, 'pass', 'exact'],
  );
  router.reputation.record(honest.peer.id, { kind: 'verified', lamports: 1e15 });
  const second = await asker.ask(wanted);
  assert.deepEqual([second.verification.result, second.verification.tier], ['pass', 'sampling']);
});
