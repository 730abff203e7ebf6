import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { violations } from '../support/axe.ts';
import { noBrowser, openPage } from '../support/browser.ts';
import { disguised } from '../support/cheats/engines.ts';
import { startGateway, type TestGatewayInit, testDefaults, testToken } from '../support/gateway.ts';
import { askOnPage, connectWallet, openWalletPage, startPaidMarket } from '../support/paid-page.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const skip = (await noBrowser()) ?? false;
const defaults = { ...testDefaults, maxTokens: 64 };

/** The page of a gateway that holds no model, over free providers of one. */
async function openBare(context: TestContext, init: TestGatewayInit) {
  const started = await startGateway(context, { gateway: { defaults }, ...init });
  const opened = await openPage(context, started.url);
  await opened.page.goto(`${started.url}/#token=${testToken}`);
  await opened.page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  return { ...started, ...opened };
}

const referees = (page: Page) => page.locator('#referees');

test('strangers check an answer only once the person lets them see it, and the page says who did', {
  skip,
}, async (context) => {
  const cheat = disguised(createScriptedEngine({ damage: 2 }), createScriptedEngine());
  const { page, providers, complaints, strayed } = await openBare(context, {
    providers: [{}, { engine: cheat }, {}, {}],
  });
  const peers = providers.map(({ peer }) => peer.id);
  const [honest = '', liar = ''] = peers;
  await page.locator('#provider').selectOption(honest);
  assert.equal(await referees(page).isChecked(), false);
  await askOnPage(page, 'is it so?');
  await page.locator('.trust', { hasText: 'checked: sampling' }).waitFor();
  assert.deepEqual(
    providers.map(({ receipts }) => receipts.size),
    [1, 0, 0, 0],
  );
  await referees(page).check();
  await page
    .getByText('Referees: 1 of 3 other providers, drawn by lot, sees prompt and answer, 3 if it disagrees: free.')
    .waitFor();
  assert.deepEqual(await violations(page), []);
  await askOnPage(page, 'really?');
  const verdict = page.locator('.trust', { hasText: /verified exact by \d referees?/ });
  await verdict.click();
  const receipt = page.getByRole('dialog', { name: 'Receipt' });
  await receipt.getByText(/Your secret drew the referees/).waitFor();
  const named = await receipt.locator('dt', { hasText: 'Referee' }).locator('+ dd').allTextContents();
  assert.ok(named.length >= 1);
  for (const row of named)
    assert.ok(
      peers.slice(1).some((peer) => row.startsWith(peer)),
      row,
    );
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  // The choice is remembered, and the cheat is named.
  await page.reload();
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  assert.equal(await referees(page).isChecked(), true);
  await page.locator('#provider').selectOption(liar);
  await askOnPage(page, 'and you?');
  await page.locator('.trust', { hasText: /failed a check by \d referees/ }).waitFor();
  // Without a full check there is nothing to ask them for.
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByLabel('Check answers').selectOption('sampling');
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  await page.reload();
  assert.deepEqual([await referees(page).isChecked(), await referees(page).isDisabled()], [false, true]);
  assert.deepEqual([complaints, strayed], [[], []]);
});

test('the operator’s setting holds until the person decides otherwise', { skip }, async (context) => {
  const { page, providers } = await openBare(context, {
    providers: [{}, {}, {}, {}],
    gateway: { defaults: { ...defaults, referees: 3, mostReferees: 3 } },
  });
  await page.getByText('Referees: 3 of 3 other providers, drawn by lot, see prompt and answer: free.').waitFor();
  await referees(page).uncheck();
  await askOnPage(page, 'is it so?');
  await page.locator('.trust', { hasText: 'checked: sampling' }).waitFor();
  assert.equal(
    providers.reduce((sum, { receipts }) => sum + receipts.size, 0),
    1,
  );
});

test('the wallet that pays for an answer signs for its referee, which the page tells apart', {
  skip,
}, async (context) => {
  const market = await startPaidMarket(context, {}, { others: 1, gateway: { defaults } });
  const { page } = await openWalletPage(context, market);
  await connectWallet(page);
  await referees(page).check();
  await page.getByText(/1 of 1 other provider, .*: at most 0\.0001 SOL per 1,000 tokens/).waitFor();
  await askOnPage(page, 'worth it?');
  await page.getByRole('dialog', { name: 'Sign to pay', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Sign with the wallet' }).click();
  const second = page.getByRole('dialog', { name: 'Sign to pay a referee' });
  await second.waitFor();
  await second.getByRole('button', { name: 'Sign with the wallet' }).click();
  await page.locator('.trust', { hasText: 'verified exact by 1 referee' }).click();
  const receipt = page.getByRole('dialog', { name: 'Receipt' });
  await receipt.locator('dt', { hasText: 'Referee' }).waitFor();
  assert.equal(await page.evaluate('signedByTestWallet.length'), 2);
});
