import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { addressText } from '../../src/escrow/addresses.ts';
import { violations } from '../support/axe.ts';
import { holdNext, noBrowser } from '../support/browser.ts';
import {
  askOnPage,
  connectWallet,
  openWalletPage,
  type PaidMarketInit,
  startPaidMarket,
} from '../support/paid-page.ts';
import { SOL } from '../support/payments.ts';
import { createScriptedEngine, type ScriptedInit } from '../support/scripted-engine.ts';

const skip = (await noBrowser()) ?? false;

/** The page over a paid provider with a connected wallet, after a question. */
async function openPaid(context: TestContext, script: ScriptedInit, init: PaidMarketInit = {}) {
  const market = await startPaidMarket(context, script, init);
  const opened = await openWalletPage(context, market);
  await connectWallet(opened.page);
  await askOnPage(opened.page, 'worth it?');
  return { ...market, ...opened };
}

test('the wallet signs once per question after showing amount and payee, and the provider is paid', {
  skip,
}, async (context) => {
  const { page, escrow, paid, chain, complaints, strayed } = await openPaid(
    context,
    {},
    { here: [createScriptedEngine()] },
  );
  const dialog = page.getByRole('dialog', { name: 'Sign to pay' });
  await dialog.waitFor();
  assert.equal(await dialog.getByText(addressText(paid.escrow.wallet)).count(), 1);
  assert.match((await dialog.textContent()) ?? '', /at most 0\.\d+ SOL/);
  assert.equal(await dialog.getByText(addressText(escrow.program), { exact: true }).count(), 1);
  assert.equal(await dialog.getByText(escrow.chain, { exact: true }).count(), 1);
  assert.deepEqual(await paid.escrow.jobs({ provider: paid.escrow.wallet }), []);
  assert.deepEqual(await violations(page), []);
  await dialog.getByRole('button', { name: 'Sign with the wallet' }).click();
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
  assert.deepEqual(await page.evaluate('signedByTestWallet'), ['solana:localnet']);
  assert.match((await page.locator('.trust').textContent()) ?? '', /0\.\d+ SOL/);
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page.getByText(/The provider is paid 0\.\d+ SOL in \d+ s/).waitFor();
  assert.deepEqual(await violations(page), []);
  const [job] = await escrow.jobs({ client: escrow.wallet });
  assert.ok(job?.submitted != null);
  const earned = async (): Promise<bigint> => (await paid.escrow.provider(paid.escrow.wallet))?.earned ?? 0n;
  assert.equal(await earned(), 0n);
  await chain.warp(301);
  const { news } = await paid.news.until('paid');
  assert.equal(news.lamports, job.submitted.payout);
  assert.equal(await earned(), job.submitted.payout);
  assert.deepEqual(await page.evaluate('signedByTestWallet.length'), 1);
  assert.deepEqual([complaints, strayed], [[], []]);
});

test('a balance that arrives late does not replace a newer one', { skip }, async (context) => {
  const market = await startPaidMarket(context, {});
  const { page } = await openWalletPage(context, market);
  await connectWallet(page);
  const old = await holdNext(page, `**/qvac/wallets/${market.address}`);
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await old.reached;
  await market.escrow.airdrop(SOL);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('6 SOL', { exact: true }).waitFor();
  await page.evaluate(`{
    globalThis.shown = new Set();
    const look = () => {
      const name = [...document.querySelectorAll("dt")].find((each) => each.textContent === "Balance");
      shown.add(name.nextElementSibling.textContent);
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  }`);
  await old.release();
  // The balance that it asks for now is drawn after the late one.
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.evaluate(`new Promise((resolve) => {
    const look = () => (shown.size > 0 ? resolve() : setTimeout(look, 20));
    look();
  })`);
  assert.deepEqual(await page.evaluate('[...shown]'), ['6 SOL']);
});

test('without a signature nothing is paid, and the page says so', { skip }, async (context) => {
  const { page, escrow, paid } = await openPaid(context, {});
  await page.getByRole('button', { name: 'Do not pay' }).click();
  await page.locator('.failure', { hasText: 'You did not approve' }).waitFor();
  assert.equal(await escrow.balance(), 5n * SOL);
  assert.deepEqual(await paid.escrow.jobs({ provider: paid.escrow.wallet }), []);
});

test('after a failed check, a second signature withholds the payment', { skip }, async (context) => {
  const { page, escrow, paid } = await openPaid(context, { damage: 3 }, { here: [createScriptedEngine()] });
  await page.getByRole('button', { name: 'Sign with the wallet' }).click();
  const dialog = page.getByRole('dialog', { name: 'A check failed: sign to reject' });
  await dialog.waitFor();
  assert.match(
    (await dialog.textContent()) ?? '',
    /Without your signature the provider is paid 0\.\d+ SOL.* seconds left/s,
  );
  // Matched as an element of its own: the address before it may end in a digit.
  const seconds = Number(/^(\d+) seconds left/.exec((await dialog.getByRole('timer').textContent()) ?? '')?.[1]);
  assert.ok(seconds > 200 && seconds <= 300, `${seconds}`);
  await dialog.getByRole('button', { name: 'Sign the rejection' }).click();
  await page.locator('.trust', { hasText: 'failed a check' }).waitFor();
  assert.equal((await paid.news.until('rejected')).news.lamports, 0n);
  assert.deepEqual(await escrow.jobs({ client: escrow.wallet }), []);
  assert.deepEqual(await page.evaluate('signedByTestWallet.length'), 2);
});

test('accepts only this wallet’s signature of exactly this transaction', { skip }, async (context) => {
  const { page, fetchAsPage, address, url } = await openPaid(context, {});
  await page.getByRole('dialog', { name: 'Sign to pay' }).waitFor();
  const { requests } = (await (await fetchAsPage(`/qvac/wallets/${address}/requests`)).json()) as {
    requests: readonly { readonly id: string; readonly transaction: string }[];
  };
  const [request] = requests;
  assert.ok(request !== undefined);
  const send = async (body: object): Promise<number> =>
    (await fetchAsPage(`/qvac/signatures/${request.id}`, { method: 'POST', body: JSON.stringify(body) })).status;
  assert.equal(await send({ signed: request.transaction }), 400);
  assert.equal(await send({ signed: 'AAAA' }), 400);
  assert.equal(await send({}), 400);
  assert.equal(await send({ signed: request.transaction, refused: true }), 400);
  assert.equal((await fetchAsPage('/qvac/signatures/00', { method: 'POST', body: '{"refused":true}' })).status, 404);
  assert.equal(
    (
      await fetch(`${url}/qvac/signatures/${request.id}`, {
        method: 'POST',
        headers: { origin: 'https://evil.example', 'content-type': 'application/json' },
        body: '{"refused":true}',
      })
    ).status,
    403,
  );
  assert.equal(
    (
      await fetch(`${url}/qvac/signatures/${request.id}`, {
        method: 'POST',
        headers: { origin: url, 'content-type': 'application/json' },
        body: '{"refused":true}',
      })
    ).status,
    401,
  );
  const asked = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'on your bill' }],
      qvac: { wallet: address, max_price: 1_000_000_000 },
    }),
  });
  assert.equal(asked.status, 401);
  assert.equal(await send({ refused: true }), 200);
});
