import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { addressText } from '../../src/escrow/addresses.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { encodeOffer } from '../escrow/layouts.ts';
import { offerBetween } from '../escrow/world.ts';
import { violations } from '../support/axe.ts';
import { holdNext, noBrowser, openPage } from '../support/browser.ts';
import { startGateway, testDefaults, testToken } from '../support/gateway.ts';
import {
  askOnPage,
  connectWallet,
  openWalletPage,
  type PaidMarket,
  type PaidMarketInit,
  startPaidMarket,
} from '../support/paid-page.ts';
import { SOL } from '../support/payments.ts';
import { quietPort } from '../support/ports.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';
import { testWalletScript } from '../support/test-wallet.ts';

const skip = (await noBrowser()) ?? false;
const rejecting = { name: 'A check failed: sign to reject' } as const;

/** A page whose answer failed a check, with the dialog for the second signature. */
async function openAtRejection(context: TestContext, init: PaidMarketInit = {}) {
  const market = await startPaidMarket(context, { damage: 3 }, { here: [createScriptedEngine()], ...init });
  const opened = await openWalletPage(context, market);
  await connectWallet(opened.page);
  await askOnPage(opened.page, 'worth it?');
  await opened.page.getByRole('button', { name: 'Sign with the wallet' }).click();
  await opened.page.getByRole('dialog', rejecting).waitFor();
  return { ...market, ...opened };
}

async function requestIds({
  fetchAsPage,
  address,
}: Pick<PaidMarket, 'fetchAsPage' | 'address'>): Promise<readonly string[]> {
  const { requests } = (await (await fetchAsPage(`/qvac/wallets/${address}/requests`)).json()) as {
    readonly requests: readonly { readonly id: string }[];
  };
  return requests.map(({ id }) => id);
}

/** Resolves once the page receives a request of the gateway that runs next. */
async function renewedRequest(page: Page): Promise<void> {
  await page.waitForResponse(
    async (response) => {
      if (!response.url().endsWith('/requests') || !response.ok()) return false;
      const { requests } = (await response.json()) as { readonly requests: readonly unknown[] };
      return requests.length > 0;
    },
    { timeout: 60_000 },
  );
}

async function reject(page: Page, { paid, escrow }: PaidMarket): Promise<void> {
  await page.getByRole('dialog', rejecting).getByRole('button', { name: 'Sign the rejection' }).click();
  await page.getByRole('dialog', rejecting).waitFor({ state: 'detached' });
  assert.equal((await paid.news.until('rejected')).news.lamports, 0n);
  assert.deepEqual(await escrow.jobs({ client: escrow.wallet }), []);
}

test('a rejection can be signed until its deadline, even after its first transaction expired', {
  skip,
}, async (context) => {
  // The rejection's first transaction expires soon, neither that of the payment nor the one that is to be signed.
  const patience = [50_000, 5_000];
  const market = await openAtRejection(context, { patienceMs: () => patience.shift() ?? 50_000 });
  const { page } = market;
  const [first] = await requestIds(market);
  for (;;) {
    const [now] = await requestIds(market);
    if (now !== undefined && now !== first) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(await page.getByRole('dialog', rejecting).count(), 1);
  assert.match(
    (await page.getByRole('timer').textContent()) ?? '',
    /^2\d\d seconds left until the provider can be paid/,
  );
  await reject(page, market);
});

test('a postponed rejection stays above the page and returns after a reload', { skip }, async (context) => {
  const market = await openAtRejection(context);
  const { page } = market;
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', rejecting).waitFor({ state: 'detached' });
  const reminder = page.locator('.waiting-payments p', { hasText: 'Without your signature the provider is paid' });
  await reminder.getByText(/\d+ seconds left/).waitFor();
  assert.deepEqual(await violations(page), []);
  await reminder.getByRole('button', { name: 'Decide' }).click();
  await page.getByRole('dialog', rejecting).waitFor();
  await page.reload();
  await page.getByRole('dialog', rejecting).getByText('Refunded to you').waitFor();
  await reject(page, market);
});

test('the gateway’s next run asks for the rejection again', { skip }, async (context) => {
  const port = await quietPort();
  const market = await openAtRejection(context, { gateway: { port } });
  const { page, gateway, receipts, openWallets } = market;
  await gateway.stop();
  await startGateway(context, {
    providers: [],
    receipts,
    wallets: openWallets(),
    gateway: { port, token: 'another-token-of-the-next-run-0123', formerToken: testToken },
  });
  await page.reload();
  await page.getByRole('dialog', rejecting).waitFor();
  await reject(page, market);
});

test('an objection survives a restart of the gateway and failed requests, without a reload', {
  skip,
}, async (context) => {
  const port = await quietPort();
  const market = await openAtRejection(context, { gateway: { port } });
  const { page, gateway, receipts, openWallets } = market;
  let asked = 0;
  const third = Promise.withResolvers<void>();
  await page.route('**/qvac/wallets/*/jobs/*', (route) => {
    if (++asked <= 2) return route.abort();
    third.resolve();
    return route.continue();
  });
  await gateway.stop();
  await page.locator('.banner', { hasText: 'The gateway does not respond' }).waitFor();
  assert.equal(await page.getByRole('dialog', rejecting).count(), 1);
  const renewed = renewedRequest(page);
  await startGateway(context, {
    providers: [],
    receipts,
    wallets: openWallets(),
    gateway: { port, token: 'another-token-of-the-next-run-0123', formerToken: testToken },
  });
  await Promise.race([third.promise, page.waitForTimeout(25_000).then(() => assert.fail('no third request'))]);
  await page.locator('.banner', { hasText: 'The gateway does not respond' }).waitFor({ state: 'detached' });
  await page.getByRole('dialog', rejecting).waitFor();
  // The dialog may still be that of the old gateway, which the new one cannot take a signature for.
  await renewed;
  await reject(page, market);
});

test('a rejection that the person refuses is not asked for again', { skip }, async (context) => {
  const { page, address } = await openAtRejection(context);
  const looked = page.waitForResponse((response) => response.url().endsWith(`/qvac/wallets/${address}`));
  await page.getByRole('button', { name: 'Let the provider be paid' }).click();
  await page.getByRole('dialog', rejecting).waitFor({ state: 'detached' });
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().includes('/jobs/')) asked.push(request.url());
  });
  await looked;
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page.getByRole('button', { name: 'Reject', exact: true }).waitFor();
  assert.deepEqual(asked, []);
  assert.equal(await page.getByRole('dialog', rejecting).count(), 0);
});

test('shows the network fee, and refuses a priority fee above its limit', { skip }, async (context) => {
  for (const [priorityFee, words, refused] of [
    [0, '0.000005 SOL', null],
    [1_000, '0.00000506 SOL, of which priority fee 0.00000006 SOL', null],
    [20_000_000, '0.001205 SOL, of which priority fee 0.0012 SOL', 'its priority fee of 0.0012 SOL is above 0.001 SOL'],
  ] as const) {
    const market = await startPaidMarket(context, {}, { priorityFee });
    const { page } = await openWalletPage(context, market);
    await connectWallet(page);
    await askOnPage(page, 'worth it?');
    const dialog = page.getByRole('dialog', { name: 'Sign to pay' });
    await dialog.waitFor();
    assert.equal(await dialog.locator('dt', { hasText: 'Network fee' }).locator('+ dd').textContent(), words);
    assert.equal(await dialog.getByRole('button', { name: 'Sign with the wallet' }).isDisabled(), refused !== null);
    if (refused !== null) assert.ok((await dialog.getByRole('alert').textContent())?.includes(refused));
  }
});

test('closes a dialog that was answered in another tab', { skip }, async (context) => {
  const market = await openAtRejection(context);
  const { page, seed, url } = market;
  const other = await page.context().newPage();
  await other.addInitScript(testWalletScript(seed));
  await other.goto(url);
  await other.getByRole('dialog', rejecting).waitFor();
  await reject(other, market);
  await page.getByRole('dialog', rejecting).waitFor({ state: 'detached' });
});

test('what the page fetched before an answer does not ask for it again', { skip }, async (context) => {
  const market = await startPaidMarket(context, {}, { here: [createScriptedEngine()] });
  const { page } = await openWalletPage(context, market);
  await connectWallet(page);
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', { name: 'Sign to pay' });
  await dialog.waitFor();
  const old = await holdNext(page, '**/requests');
  await old.reached;
  await dialog.getByRole('button', { name: 'Sign with the wallet' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.evaluate(`{
    globalThis.askedAgain = false;
    const look = () => (globalThis.askedAgain ||= document.querySelector("dialog") !== null);
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  }`);
  const next = page.waitForRequest('**/requests');
  await old.release();
  // The page asks again only after it has taken in the old ones.
  await next;
  assert.equal(await page.evaluate('askedAgain'), false);
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
});

test('refuses to sign a transaction that differs from its description', { skip }, async (context) => {
  const market = await startPaidMarket(context, {});
  const { page } = await openWalletPage(context, market);
  await page.route('**/requests', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { requests: { purpose: { amount: string } }[] };
    await route.fulfill({
      json: { requests: body.requests.map((each) => ({ ...each, purpose: { ...each.purpose, amount: '1' } })) },
    });
  });
  await connectWallet(page);
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', { name: 'Sign to pay' });
  await dialog.getByText('Do not sign this: it locks another amount').waitFor();
  assert.equal(await dialog.getByRole('button', { name: 'Sign with the wallet' }).isDisabled(), true);
  assert.deepEqual(await page.evaluate('signedByTestWallet'), []);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('explains in plain words that a wallet refused, is locked, left or uses another chain', {
  skip,
}, async (context) => {
  const market = await startPaidMarket(context, {});
  const { page } = await openWalletPage(context, market);
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page.evaluate('testWallet.mood = "locked"');
  await page.getByRole('button', { name: 'Connect Test Wallet' }).click();
  await page
    .getByRole('alert')
    .getByText('Test Wallet did not connect: the wallet is locked. Unlock it and try again.')
    .waitFor();
  await page.evaluate('testWallet.mood = "willing"');
  await connectWallet(page);
  await page.evaluate('testWallet.mood = "refuse"');
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', { name: 'Sign to pay' });
  await dialog.getByRole('button', { name: 'Sign with the wallet' }).click();
  await dialog.getByText('Test Wallet did not sign: User rejected the request. Nothing was sent.').waitFor();
  await page.evaluate('testWallet.mood = "willing"');
  await dialog.getByRole('button', { name: 'Sign with the wallet' }).click();
  await page.locator('.trust').waitFor();
  await page.evaluate('testWallet.leave()');
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page.getByRole('button', { name: 'Connect Test Wallet' }).waitFor();
});

test('lets the person choose among wallets and never asks one of another chain to sign', { skip }, async (context) => {
  const market = await startPaidMarket(context, {});
  const { page } = await openPage(context, market.url);
  await page.addInitScript(testWalletScript(market.seed));
  await page.addInitScript(testWalletScript(market.seed, { name: 'Far Wallet', chains: ['solana:mainnet'] }));
  await page.goto(`${market.url}/#token=${testToken}`);
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  assert.equal(await page.getByRole('button', { name: /^Connect / }).count(), 2);
  await page.getByRole('button', { name: 'Connect Far Wallet' }).click();
  const unfit = page.getByText('Far Wallet does not sign for this gateway’s chain (solana:localnet).');
  await unfit.waitFor();
  assert.deepEqual(await violations(page), []);
  await page.evaluate('testWallet.switchTo(["solana:localnet"])');
  await unfit.waitFor({ state: 'detached' });
});

test('the gateway’s own wallet pays only what the person approves', { skip }, async (context) => {
  const market = await startPaidMarket(
    context,
    {},
    { own: true, here: [createScriptedEngine()], gateway: { defaults: { ...testDefaults, maxPrice: 500_000_000 } } },
  );
  const { page, complaints } = await openPage(context, market.url);
  await page.goto(`${market.url}/#token=${testToken}`);
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await askOnPage(page, 'worth it?');
  const dialog = page.getByRole('dialog', { name: 'Pay for this answer?' });
  await dialog.getByText(addressText(market.paid.escrow.wallet)).waitFor();
  assert.match((await dialog.textContent()) ?? '', /at most 0\.\d+ SOL/);
  assert.deepEqual(await violations(page), []);
  await dialog.getByRole('button', { name: 'Do not pay' }).click();
  await page.locator('.failure', { hasText: 'Nothing was paid' }).waitFor();
  assert.deepEqual(await market.paid.escrow.jobs({ provider: market.paid.escrow.wallet }), []);
  await page.getByRole('button', { name: 'Ask again' }).click();
  // Pressing Enter does not approve: the title has the focus.
  await dialog.waitFor();
  await page.keyboard.press('Enter');
  assert.deepEqual(await market.paid.escrow.jobs({ provider: market.paid.escrow.wallet }), []);
  await dialog.getByRole('button', { name: 'Pay', exact: true }).click();
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
  await market.paid.news.until('paid');
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page
    .getByText('pays up to 0.5 SOL per answer while no wallet is connected here, and asks you before each payment')
    .waitFor();
  await page.getByText('Nothing is locked').waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(
    complaints.filter((line) => !line.includes('402')),
    [],
  );
});

test('a stopped question no longer asks for money', { skip }, async (context) => {
  const market = await startPaidMarket(context, {});
  const { page } = await openWalletPage(context, market);
  await connectWallet(page);
  await askOnPage(page, 'worth it?');
  await page.getByRole('dialog', { name: 'Sign to pay' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('A payment waits for your decision.').waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('.failure').waitFor();
  await page.getByText('A payment waits for your decision.').waitFor({ state: 'detached' });
  assert.equal(await market.escrow.balance(), 5n * SOL);
});

test('locked money shows what happens next and the button for it', { skip }, async (context) => {
  const market = await startPaidMarket(context, {}, { here: [createScriptedEngine()] });
  const { page, strayed } = await openWalletPage(context, market);
  await connectWallet(page);
  await askOnPage(page, 'worth it?');
  await page.getByRole('button', { name: 'Sign with the wallet' }).click();
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
  await page.getByRole('button', { name: 'Money', exact: true }).click();
  await page
    .getByRole('cell', { name: /The provider is paid 0\.\d+ SOL in \d+ s; the rest is refunded/ })
    .getByRole('button', { name: 'Settle now' })
    .click();
  await page.getByRole('dialog', { name: 'Settle now' }).getByRole('button', { name: 'Sign with the wallet' }).click();
  await page.getByText('Nothing is locked').waitFor();
  await market.paid.news.until('paid');
  await lockWithoutAnswer(market);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByRole('cell', { name: /No answer has been submitted yet. You can get a refund in \d+ s/ }).waitFor();
  await market.chain.warp(601);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page
    .getByRole('cell', { name: 'No answer was submitted in time' })
    .getByRole('button', { name: 'Refund' })
    .click();
  assert.deepEqual(await violations(page), []);
  await page
    .getByRole('dialog', { name: 'Get a refund' })
    .getByRole('button', { name: 'Sign with the wallet' })
    .click();
  await page.getByText('Nothing is locked').waitFor();
  assert.deepEqual(await market.escrow.jobs({ client: market.escrow.wallet }), []);
  assert.deepEqual(strayed, []);
});

/** A job whose provider never returns. */
async function lockWithoutAnswer({ escrow, chain }: PaidMarket): Promise<void> {
  const away = await chain.wallet();
  const node = signingKeyFromSeed(randomBytes(32));
  await away.register({ node, stake: 2n * SOL });
  const offer = offerBetween({
    payer: escrow.wallet,
    authority: away.wallet,
    provider: node.publicKey,
    client: Uint8Array.from(randomBytes(32)),
    now: BigInt(Math.floor((await escrow.now()) / 1_000)),
  });
  await escrow.createJob({ authority: away.wallet, offer: encodeOffer(offer) });
}
