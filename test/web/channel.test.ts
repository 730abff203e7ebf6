import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { addressText } from '../../src/escrow/addresses.ts';
import { violations } from '../support/axe.ts';
import { noBrowser } from '../support/browser.ts';
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
const opening = { name: 'Sign to open a channel' } as const;
const here = [createScriptedEngine()];

/** The page over a paid provider with a connected wallet that pays as said under Money. */
async function openPaying(
  context: TestContext,
  pay: 'auto' | 'channel' | 'job',
  { script = {}, ...init }: PaidMarketInit & { readonly script?: ScriptedInit } = {},
) {
  const market = await startPaidMarket(context, script, { here, ...init });
  const opened = await openWalletPage(context, market);
  await connectWallet(opened.page);
  await openMoney(opened.page);
  await opened.page.getByLabel('Your wallet pays').selectOption(pay);
  await opened.page.getByRole('button', { name: 'Chat', exact: true }).click();
  return { ...market, ...opened };
}

const openMoney = (page: Page): Promise<void> => page.getByRole('button', { name: 'Money', exact: true }).click();
const sign = (page: Page): Promise<void> => page.getByRole('button', { name: 'Sign with the wallet' }).click();
const signatures = (page: Page): Promise<unknown> => page.evaluate('signedByTestWallet.length');

/** Asks, and waits for the verdict of the answer with that number, from 1. */
async function answered(page: Page, question: string, number: number): Promise<void> {
  await askOnPage(page, question);
  await page
    .locator('.trust', { hasText: 'verified exact' })
    .nth(number - 1)
    .waitFor();
}

test('one signature pays for many answers, which the page adds up until it closes the channel', {
  skip,
}, async (context) => {
  const { page, escrow, paid, providers, chain, complaints, strayed } = await openPaying(context, 'channel');
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', opening);
  await dialog.waitFor();
  for (const fact of [addressText(paid.escrow.wallet), String(providers[0]?.peer.id), escrow.chain])
    assert.equal(await dialog.getByText(fact, { exact: true }).count(), 1, fact);
  assert.match((await dialog.textContent()) ?? '', /Deposit0\.\d+ SOL.*Network fee0\.00001 SOL/);
  assert.deepEqual(await paid.escrow.channels({ provider: paid.escrow.wallet }), []);
  assert.deepEqual(await violations(page), []);
  await sign(page);
  await page.locator('.trust', { hasText: 'from the channel' }).waitFor();
  await answered(page, 'and this?', 2);
  await answered(page, 'and that?', 3);
  assert.equal(await signatures(page), 1);
  assert.deepEqual(await escrow.jobs({ client: escrow.wallet }), []);
  await page.locator('.channel-strip', { hasText: /0\.\d+ of 0\.\d+ SOL spent, 3 answers/ }).waitFor();
  assert.deepEqual(await violations(page), []);
  // A tab that was closed finds it again.
  await page.reload();
  await page.locator('.channel-strip', { hasText: '3 answers' }).waitFor();
  await openMoney(page);
  const row = page.getByRole('row', { name: /3 answers passed/ });
  await row.getByText(/left for further answers/).waitFor();
  assert.deepEqual(await violations(page), []);
  await row.getByRole('button', { name: 'Close' }).click();
  await page.getByText(/It is being closed with the provider/).waitFor();
  await chain.warp(121);
  await paid.channelNews.until('closed');
  await page.getByText(/closed: 3 answers, 0\.\d+ SOL paid, 0\.\d+ SOL back/).waitFor();
  await page.getByText('Nothing is locked').waitFor();
  assert.equal(await signatures(page), 0);
  const { earned } = (await paid.escrow.provider(paid.escrow.wallet)) ?? assert.fail('it is not registered');
  assert.ok(earned > 0n);
  // The price of the answers, and the fee of one transaction with two signatures.
  assert.equal(await escrow.balance(), 5n * SOL - earned - 10_000n);
  assert.deepEqual([complaints, strayed], [[], []]);
});

test('by default the second answer of a provider opens a channel; without it, each answer is paid by itself', {
  skip,
}, async (context) => {
  const { page, escrow } = await openPaying(context, 'auto');
  await askOnPage(page, 'worth it?');
  await page.getByRole('dialog', { name: 'Sign to pay' }).waitFor();
  await sign(page);
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
  await askOnPage(page, 'and this?');
  await page.getByRole('dialog', opening).getByRole('button', { name: 'No channel' }).click();
  await page.getByRole('dialog', { name: 'Sign to pay' }).waitFor();
  await sign(page);
  await page.locator('.trust', { hasText: 'verified exact' }).nth(1).waitFor();
  assert.deepEqual(await escrow.channels({ payer: escrow.wallet }), []);
  assert.equal((await escrow.jobs({ client: escrow.wallet })).length, 2);
});

test('a gateway that asks for more than it shows, or than the limit, gets no signature', { skip }, async (context) => {
  const { page, escrow } = await openPaying(context, 'channel');
  await openMoney(page);
  await page.getByLabel('The most that one channel may hold, in SOL').fill('0.0001');
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  let change: Readonly<Record<string, unknown>> = {};
  await page.route('**/requests', async (route) => {
    const response = await route.fetch();
    const { requests } = (await response.json()) as { readonly requests: readonly { readonly purpose: object }[] };
    const changed = requests.map((each) => ({ ...each, purpose: { ...each.purpose, ...change } }));
    await route.fulfill({ json: { requests: changed } });
  });
  // The gateway ignores the limit that the page sent.
  await page.route('**/v1/chat/completions', async (route) => {
    const asked = JSON.parse(route.request().postData() ?? '{}') as { qvac: object };
    const postData = JSON.stringify({ ...asked, qvac: { ...asked.qvac, max_deposit: 1_000_000_000 } });
    await route.continue({ postData });
  });
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', opening);
  for (const [lie, words] of [
    [{}, 'it deposits more than your limit'],
    [{ deposit: '1000' }, 'it deposits another amount'],
    [{ expiresAt: 1_999_999_999_000 }, 'it stays open until another time'],
    [{ payee: addressText(escrow.wallet) }, 'it pays someone else'],
  ] as const) {
    const looked = page.waitForResponse('**/requests');
    change = lie;
    await looked;
    await page.waitForResponse('**/requests');
    if (Object.keys(lie).length > 0) await page.getByRole('button', { name: 'Decide' }).click();
    await dialog.getByText(`Do not sign this: ${words}.`).waitFor();
    assert.equal(await dialog.getByRole('button', { name: 'Sign with the wallet' }).isDisabled(), true);
    await page.keyboard.press('Escape');
  }
  await page.getByRole('button', { name: 'Decide' }).click();
  await dialog.getByRole('button', { name: 'No channel' }).click();
  await page.locator('.failure', { hasText: 'Nothing was paid' }).waitFor();
  assert.equal(await signatures(page), 0);
  assert.deepEqual(await escrow.channels({ payer: escrow.wallet }), []);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('what changes between the dialog and the signature is shown again before it is signed', {
  skip,
}, async (context) => {
  const { page } = await openPaying(context, 'channel');
  await page.evaluate('addEventListener("click", () => (globalThis.clicked = true), { capture: true })');
  await page.route('**/requests', async (route) => {
    const response = await route.fetch();
    const { requests } = (await response.json()) as { readonly requests: readonly { readonly purpose: object }[] };
    const isClicked = await page.evaluate('globalThis.clicked === true');
    const shown = requests.map((each) => ({ ...each, purpose: { ...each.purpose, rent: '1' } }));
    await route.fulfill({ json: { requests: isClicked ? requests : shown } });
  });
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', opening);
  await dialog.getByText('0.000000001 SOL', { exact: true }).waitFor();
  await sign(page);
  await dialog.getByText('0.000000001 SOL', { exact: true }).waitFor({ state: 'detached' });
  await dialog
    .getByText(/^0\.00\d+ SOL$/)
    .first()
    .waitFor();
  assert.equal(await signatures(page), 0);
  await sign(page);
  await page.locator('.trust', { hasText: 'from the channel' }).waitFor();
  assert.equal(await signatures(page), 1);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('a wallet that signs something else opens nothing, and no other site opens or closes a channel', {
  skip,
}, async (context) => {
  const { page, escrow, address, url, fetchAsPage } = await openPaying(context, 'channel');
  await page.evaluate('testWallet.mood = "other"');
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', opening);
  await dialog.waitFor();
  await sign(page);
  await dialog.getByText(/the signature is not this wallet’s, or of another transaction/).waitFor();
  assert.deepEqual(await escrow.channels({ payer: escrow.wallet }), []);
  await page.evaluate('testWallet.mood = "willing"');
  await sign(page);
  await page.locator('.trust', { hasText: 'from the channel' }).waitFor();
  const [account] = await escrow.channels({ payer: escrow.wallet });
  const path = `/qvac/wallets/${address}/channels/${Buffer.from(account?.id ?? []).toString('hex')}`;
  const close = { method: 'POST', body: '{"action":"close"}' };
  const type = { 'content-type': 'application/json' };
  for (const [headers, status] of [
    [{ ...type, origin: 'https://evil.example' }, 403],
    [{ ...type, origin: url }, 401],
    [{ origin: url }, 415],
  ] as const)
    assert.equal((await fetch(`${url}${path}`, { ...close, headers })).status, status);
  for (const id of ['ff'.repeat(32), '..%2F..%2Fkeys%2Fwallet', 'x'])
    assert.equal((await fetchAsPage(`/qvac/wallets/${address}/channels/${id}`, close)).status, 404, id);
  assert.equal((await fetchAsPage(path, { method: 'POST', body: '{"action":"topup"}' })).status, 400);
  // Another site cannot have the wallet pay either.
  const question = { messages: [{ role: 'user', content: 'on your bill' }] };
  const body = JSON.stringify({ ...question, qvac: { wallet: address, pay: 'channel', max_price: 1_000_000_000 } });
  assert.equal((await fetch(`${url}/v1/chat/completions`, { method: 'POST', body })).status, 401);
  assert.equal((await escrow.channels({ payer: escrow.wallet }))[0]?.closing, null);
});

test('an answer that failed is withheld from its channel with two signatures', { skip }, async (context) => {
  const market = await openPaying(context, 'channel', { script: { damage: 3 } });
  const { page, escrow, paid, chain } = market;
  await askOnPage(page, 'worth it?');
  await page.getByRole('dialog', opening).waitFor();
  await sign(page);
  await page.locator('.trust', { hasText: 'failed a check' }).waitFor();
  // Before that the terms could be opened a second time.
  await chain.warp(121);
  const closing = page.getByRole('dialog', { name: 'A check failed: sign to close the channel' });
  await closing.getByRole('button', { name: 'Sign with the wallet' }).click();
  const rejecting = page.getByRole('dialog', { name: 'A check failed: sign to reject' });
  assert.match(
    (await rejecting.textContent()) ?? '',
    /the provider is paid 0\.\d+ SOL for an answer that failed.*\d+ minutes left/s,
  );
  assert.deepEqual(await violations(page), []);
  await rejecting.getByRole('button', { name: 'Sign the rejection' }).click();
  await openMoney(page);
  await page.getByText(/The chain closes it: 0\.\d+ SOL back from/).waitFor();
  await chain.warp(18_001);
  await paid.channelNews.until('finished');
  await page.getByText(/finished: 0 answers, 0 SOL paid, 0\.\d+ SOL back, 0\.\d+ SOL burnt/).waitFor();
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.earned, 0n);
  assert.equal(await signatures(page), 3);
  assert.deepEqual(await escrow.channels({ payer: escrow.wallet }), []);
});
