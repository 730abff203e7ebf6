import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPageWallets } from '../../src/gateway/page/page-wallets.ts';
import { aborted } from '../../src/lib/abort.ts';
import { type LogFields, silentLogger } from '../../src/lib/log.ts';
import type { Engine } from '../../src/model/engine.ts';
import { createReceiptStore, type ReceiptStore } from '../../src/node/home/receipt-store.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { startAsker } from '../support/asking.ts';
import { createGate } from '../support/gate.ts';
import { startGateway, testDefaults, testToken } from '../support/gateway.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { startPaidMarket } from '../support/paid-page.ts';
import { clientPayments, providerPayments, startChain } from '../support/payments.ts';
import { startRouter } from '../support/router.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const question = { model: 'scripted', messages: [{ role: 'user', content: 'worth it?' }], max_tokens: 40 };
const defaults = { ...testDefaults, maxPrice: 500_000_000 };
const post = (url: string, body: object, init: RequestInit = {}): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...question, ...body }),
    headers: { authorization: `Bearer ${testToken}` },
    ...init,
  });

/** The only receipt, once it is stored and matches. */
async function untilKept(receipts: ReceiptStore, fits: (receipt: Receipt) => boolean = () => true): Promise<Receipt> {
  for (;;) {
    const [kept] = await receipts.list();
    const receipt = kept === undefined ? null : (await receipts.get(kept.id)).receipt;
    if (receipt !== null && fits(receipt)) return receipt;
  }
}

test('a paid answer states its cost, which its provider gets; nothing is spent without the token', async (context) => {
  const { url, paid } = await startPaidMarket(context, {}, { own: true, gateway: { defaults } });
  const refused = await post(url, {}, { headers: {} });
  assert.equal(refused.status, 402);
  assert.match(await refused.text(), /E_TOO_DEAR/);
  const answer = await post(url, {});
  assert.equal(answer.status, 200);
  const { usage } = (await answer.json()) as { usage: { prompt_tokens: number; completion_tokens: number } };
  const cost = Math.ceil((usage.prompt_tokens * 100_000 + usage.completion_tokens * 2_000_000) / 1_000);
  assert.equal(answer.headers.get('x-qvac-cost-lamports'), String(cost));
  assert.equal((await paid.news.until('paid')).news.lamports, BigInt(cost));
  assert.match(await (await fetch(`${url}/metrics`)).text(), new RegExp(`^qvac_cost_lamports_total ${cost}$`, 'm'));
});

test('a client that disconnects pays only for the tokens delivered', async (context) => {
  const gate = createGate(5);
  const { url, paid, receipts, providers } = await startPaidMarket(
    context,
    { beforeStep: gate.beforeStep },
    { own: true, gateway: { defaults } },
  );
  const controller = new AbortController();
  const response = await post(url, { stream: true }, { signal: controller.signal });
  await response.body?.getReader().read();
  await gate.reached;
  controller.abort();
  const finished = await providers[0]?.events.until('job-finished');
  gate.open();
  assert.equal(finished?.finish, 2);
  const { news } = await paid.news.until('paid');
  const receipt = await untilKept(receipts, ({ settlement }) => settlement != null);
  assert.deepEqual([receipt.settlement?.state, receipt.settlement?.paid], ['confirmed', news.lamports.toString()]);
  assert.equal(
    news.lamports,
    BigInt(Math.ceil((receipt.promptTokens.length * 100_000 + receipt.tokens.length * 2_000_000) / 1_000)),
  );
  assert.ok(receipt.tokens.length <= 6);
});

test('a client that disconnects cancels the job behind a router too', async (context) => {
  const gate = createGate(5);
  const { providers } = await startGateway(context, { providers: [{ script: { beforeStep: gate.beforeStep } }] });
  const router = await startRouter(context, { providers: providers.map(({ address }) => ({ address })) });
  const { url, receipts } = await startGateway(context, { providers: [], router: router.address });
  const controller = new AbortController();
  const response = await post(url, { stream: true }, { signal: controller.signal });
  await response.body?.getReader().read();
  await gate.reached;
  controller.abort();
  const finished = await providers[0]?.events.until('job-finished');
  gate.open();
  assert.equal(finished?.finish, 2);
  await router.events.until('answered');
  assert.equal((await untilKept(receipts)).tokens.length, finished.tokens);
});

test('records an action in the page in the job’s receipt', async (context) => {
  const chain = await startChain(context);
  const provider = await startProvider(context, {
    offering: { priceIn: 100_000, priceOut: 2_000_000 },
    payments: async (peer) => (await providerPayments(context, chain, peer)).payments,
  });
  const receipts = createReceiptStore(await temporaryHome(context));
  // A wallet whose owner signs everything.
  const { payments, escrow } = await clientPayments(context, chain, { confirms: false, receipts });
  const asker = await startAsker(context, {
    providers: [provider],
    payments,
    save: async (receipt) => void (await receipts.save(receipt)),
  });
  const { receipt } = await asker.ask({ maxPrice: 10_000_000 });
  const id = receipt ?? assert.fail('it has no receipt');
  const wallets = createPageWallets(
    { openEscrow: () => chain.wallet(), openOwn: async () => escrow, receipts, logger: silentLogger },
    { dir: await temporaryHome(context), channelDir: await temporaryHome(context) },
  );
  context.after(() => wallets.stop());
  const state = async (): Promise<unknown> => (await receipts.get(id)).receipt.settlement?.state;
  assert.equal(await state(), 'submitted');
  await wallets.act('own', id, 'confirm');
  assert.equal(await state(), 'confirmed');
});

test('logs a verification that ended too late to withhold the payment', async (context) => {
  const chain = await startChain(context);
  // No time is left for a rejection.
  const { payments } = await clientPayments(context, chain, { marginMs: 300_000 });
  const engine = createScriptedEngine();
  const endless: Engine = {
    ...engine,
    open: async (options) =>
      aborted(options?.signal ?? assert.fail('nothing would end it')).then(() => assert.fail('ended')),
  };
  const warned: LogFields[] = [];
  const logger = { ...silentLogger, warn: (_message: string, fields: LogFields = {}) => void warned.push(fields) };
  const paid = {
    offering: { priceIn: 100_000, priceOut: 2_000_000 },
    payments: async (peer: Parameters<typeof providerPayments>[2]) =>
      (await providerPayments(context, chain, peer)).payments,
  };
  const { url } = await startGateway(context, {
    providers: [paid],
    here: [endless],
    payments,
    logger,
    gateway: { defaults, waitVerdict: true, verdictMs: 60_000 },
  });
  const response = await post(url, {});
  assert.deepEqual([response.status, response.headers.get('x-qvac-verified')], [200, 'inconclusive']);
  const [late, ...others] = warned.filter(({ result }) => result !== undefined);
  assert.deepEqual([late?.receipt, late?.result, others], [response.headers.get('x-qvac-receipt'), 'inconclusive', []]);
  assert.ok(BigInt(String(late?.paid)) > 0n);
});
