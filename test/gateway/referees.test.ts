import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseKeys } from '../../src/gateway/guard/keys.ts';
import { createPageWallets } from '../../src/gateway/page/page-wallets.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { JobId } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import { openSpendingLimits } from '../../src/node/payment/spending-limits.ts';
import { decodeOffer } from '../../src/protocol/validate.ts';
import { disguised, scoringBy } from '../support/cheats/engines.ts';
import { fetchReceipt, startGateway, testDefaults, testToken } from '../support/gateway.ts';
import { temporaryHome } from '../support/home.ts';
import type { TestProviderInit } from '../support/market.ts';
import { paidPrices } from '../support/paid.ts';
import { clientPayments, providerPayments, startChain, type TestChain } from '../support/payments.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const question = { model: 'scripted', messages: [{ role: 'user', content: 'is it so?' }], max_tokens: 64 };
const post = (url: string, qvac: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ ...question, qvac }), headers });
const asOwner = { authorization: `Bearer ${testToken}` };
const keyed = { authorization: 'Bearer key-of-the-laptop-0001' };
const cheap = (): Engine => disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());
const peersIn = (response: Response): readonly string[] => response.headers.get('x-qvac-referees')?.split(', ') ?? [];

test('referees check an answer through the gateway: an honest one is verified, a cheat’s named', async (context) => {
  const { url, providers, fetchAsPage } = await startGateway(context, {
    providers: [{}, { engine: cheap() }, {}, {}],
    gateway: { defaults: { ...testDefaults, referees: 1, mostReferees: 1 }, waitVerdict: true, verdictMs: 60_000 },
  });
  const [honest, cheat] = providers.map(({ peer }) => peer.id);
  const state = (await (await fetchAsPage('/qvac/state')).json()) as {
    readonly defaults: { readonly referees: number };
  };
  assert.equal(state.defaults.referees, 1);

  // A single referee may be the liar: its word alone decides nothing, and two of three do.
  const answer = await post(url, { provider: honest });
  assert.deepEqual([answer.status, answer.headers.get('x-qvac-verified')], [200, 'exact']);
  assert.ok(peersIn(answer).length >= 1 && !peersIn(answer).includes(honest ?? ''));
  assert.equal(answer.headers.get('x-qvac-referees-cost-lamports'), '0');
  const id = answer.headers.get('x-qvac-receipt');
  const receipt = await fetchReceipt(url, id);
  assert.deepEqual(
    [receipt.headers.get('x-qvac-verified'), receipt.headers.get('x-qvac-referees')],
    ['exact', answer.headers.get('x-qvac-referees')],
  );
  const report = (await (await fetchAsPage(`/qvac/receipts/${id}`)).json()) as {
    readonly referees: readonly { readonly job: string; readonly peer: string }[];
  };
  assert.deepEqual(
    report.referees.map(({ peer }) => peer),
    peersIn(answer),
  );
  const score = await fetchReceipt(url, report.referees[0]?.job ?? null);
  assert.equal(score.headers.get('x-qvac-verified'), 'sampling');

  const caught = await post(url, { provider: cheat });
  assert.deepEqual([caught.status, caught.headers.get('x-qvac-verified')], [200, 'failed']);
  assert.ok(peersIn(caught).length >= 2 && !peersIn(caught).includes(cheat ?? ''));
  assert.equal(caught.headers.get('x-qvac-provider'), cheat);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^qvac_faults_total\{fault="exact-mismatch"\} 1$/m);

  const unasked = await post(url, { provider: honest, referees: 0 });
  assert.deepEqual(
    [unasked.headers.get('x-qvac-verified'), unasked.headers.get('x-qvac-referees')],
    ['sampling', null],
  );
});

test('only the operator can let strangers see a prompt, and the refusal comes before it leaves', async (context) => {
  const { url, providers } = await startGateway(context, {
    providers: [{}, {}, {}, {}],
    gateway: { waitVerdict: true, verdictMs: 60_000 },
  });
  for (const [qvac, status, words] of [
    [{ referees: 1 }, 403, /referees see the prompt, and the operator allows 0/],
    [{ referees: 2 }, 400, /qvac\.referees: expected 0, 1 or 3/],
    [{ referees: 4 }, 400, /qvac\.referees: expected a number from 0 to 3/],
  ] as const) {
    const refused = await post(url, qvac);
    assert.equal(refused.status, status);
    assert.match(await refused.text(), words);
  }
  const less = await post(url, { referees: 3, verify: 'sampling' }, asOwner);
  assert.deepEqual([less.status, /referees check an answer in full/.test(await less.text())], [400, true]);
  assert.equal(
    providers.every(({ receipts }) => receipts.size === 0),
    true,
  );
  const owned = await post(url, { referees: 3 }, asOwner);
  assert.deepEqual([owned.headers.get('x-qvac-verified'), peersIn(owned).length], ['exact', 3]);
});

/** Providers that charge, each with its engine. */
function paid(context: TestContext, chain: TestChain, engines: readonly Engine[]): readonly TestProviderInit[] {
  return engines.map((engine) => ({
    engine,
    offering: { tokensPerSecond: 100, ...paidPrices },
    payments: async (peer) => (await providerPayments(context, chain, peer)).payments,
  }));
}

test('a key’s limit counts score jobs before they are paid, and refuses what it does not cover', async (context) => {
  const chain = await startChain(context);
  const { payments } = await clientPayments(context, chain);
  const limit = 1_000_000n;
  const ring = parseKeys(`key-of-the-laptop-0001 laptop ${limit}`, 'keys');
  const limits = await openSpendingLimits(
    { clock: { now: () => 0 }, logger: silentLogger },
    { path: null, limitOf: ring.limitOf },
  );
  const leftWhileScoring: (bigint | null)[] = [];
  const engine = (): Engine =>
    scoringBy(createScriptedEngine(), (tops) => {
      leftWhileScoring.push(limits.left('laptop'));
      return tops;
    });
  const maxPrice = 300_000;
  const { url, providers, receipts } = await startGateway(context, {
    providers: paid(context, chain, [engine(), engine()]),
    payments,
    gateway: {
      keys: { ring, limits },
      defaults: { ...testDefaults, maxPrice, referees: 1, mostReferees: 1 },
      waitVerdict: true,
      verdictMs: 60_000,
    },
  });
  const provider = providers[0]?.peer.id;
  const answer = await post(url, { provider }, keyed);
  assert.deepEqual([answer.status, answer.headers.get('x-qvac-verified')], [200, 'exact']);
  const [cost, scoreCost] = ['x-qvac-cost-lamports', 'x-qvac-referees-cost-lamports'].map((name) =>
    BigInt(answer.headers.get(name) ?? assert.fail(name)),
  );
  assert.ok(cost !== undefined && scoreCost !== undefined && scoreCost > 0n && cost > scoreCost);
  assert.deepEqual(leftWhileScoring, [limit - BigInt(maxPrice)]);
  assert.equal(limits.left('laptop'), limit - cost - scoreCost);
  assert.match(
    await (await fetch(`${url}/metrics`, { headers: keyed })).text(),
    new RegExp(`^qvac_cost_lamports_total ${cost + scoreCost}$`, 'm'),
  );

  // What the key has left covers an answer, but not its referee, too.
  const { receipt } = await receipts.get((answer.headers.get('x-qvac-receipt') ?? '') as JobId);
  const left = decodeOffer(receipt.offer.body).payment.amountLamports;
  await limits.reserve('other', 'laptop', (limits.left('laptop') ?? 0n) - left);
  const jobs = providers.map(({ receipts: kept }) => kept.size);
  const refused = await post(url, { provider }, keyed);
  assert.equal(refused.status, 402);
  assert.match(await refused.text(), /with its referees, the answer may cost more than/);
  assert.deepEqual(
    providers.map(({ receipts: kept }) => kept.size),
    jobs,
  );
  assert.equal(limits.left('laptop'), left);
  assert.equal((await post(url, { provider, referees: 0 }, keyed)).status, 200);
});

test('the wallet that pays for an answer pays for its referees', async (context) => {
  const chain = await startChain(context);
  const [own, browser] = [await clientPayments(context, chain), await clientPayments(context, chain)];
  const wallets = createPageWallets(
    { openEscrow: () => chain.wallet(), receipts: { get: assert.fail, settle: assert.fail }, logger: silentLogger },
    { dir: await temporaryHome(context), channelDir: await temporaryHome(context) },
  );
  const { fetchAsPage } = await startGateway(context, {
    providers: paid(context, chain, [createScriptedEngine(), createScriptedEngine()]),
    payments: own.payments,
    wallets: Object.assign(wallets, { paymentsOf: () => browser.payments }),
    gateway: { waitVerdict: true, verdictMs: 60_000 },
  });
  const before = await own.escrow.balance(own.escrow.wallet);
  const body = JSON.stringify({ ...question, qvac: { wallet: 'theirs', max_price: 1_000_000, referees: 1 } });
  const answer = await fetchAsPage('/v1/chat/completions', { method: 'POST', body });
  assert.deepEqual([answer.status, answer.headers.get('x-qvac-verified')], [200, 'exact']);
  assert.notEqual(answer.headers.get('x-qvac-referees-cost-lamports'), '0');
  assert.equal(await own.escrow.balance(own.escrow.wallet), before);
});
