import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { violations } from '../support/axe.ts';
import { noBrowser, openPage } from '../support/browser.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { startGateway, testDefaults, testToken } from '../support/gateway.ts';
import { connectWallet, startPaidMarket } from '../support/paid-page.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';
import { testWalletScript } from '../support/test-wallet.ts';

const skip = (await noBrowser()) ?? false;

const looks = [
  { name: 'light', options: { colorScheme: 'light', viewport: { width: 1280, height: 800 } } },
  { name: 'dark', options: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } } },
  { name: 'on a phone', options: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true } },
  { name: 'on a phone, dark', options: { colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true } },
] as const;

async function open(context: TestContext, look: (typeof looks)[number]): Promise<Page> {
  const answer =
    'It **scatters**, see `code`:\n\n```\na long line of code that does not fit into the width of any phone, and goes on' +
    '\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# Heading\n\n- [x] done\n\n> quoted';
  const { url } = await startGateway(context, {
    providers: [{ engine: createDictatedEngine(answer) }, { script: { name: 'other' } }],
    gateway: {
      defaults: {
        model: 'scripted',
        provider: null,
        system: null,
        temperature: 0.7,
        topK: 20,
        minP: 0.05,
        topP: 1,
        maxTokens: 1_000,
        verify: null,
        referees: null,
        mostReferees: 0,
        maxPrice: 0,
        timeoutMs: 60_000,
      },
    },
  });
  const { page } = await openPage(context, url, { ...look.options, reducedMotion: 'reduce' });
  await page.goto(`${url}/#token=${testToken}`);
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  return page;
}

for (const look of looks) {
  test(`axe-core finds nothing wrong: ${look.name}`, { skip }, async (context) => {
    const page = await open(context, look);
    const states: Record<string, readonly string[]> = { empty: await violations(page) };
    await page.getByLabel('Your question').fill('why is the sky blue?');
    await page.keyboard.press('Enter');
    await page.locator('.trust').waitFor({ timeout: 20_000 });
    states.answered = await violations(page);
    await page.locator('.trust').click();
    await page.locator('.merkle').waitFor();
    states.receipt = await violations(page);
    await page.keyboard.press('Escape');
    for (const view of ['Peers', 'Receipts', 'Money', 'Settings']) {
      await page.getByRole('button', { name: view, exact: true }).click();
      if (view === 'Receipts') await page.locator('table button').first().waitFor();
      states[view] = await violations(page);
    }
    for (const [state, found] of Object.entries(states)) assert.deepEqual(found, [], state);
  });

  test(`nothing is wider than the window: ${look.name}`, { skip }, async (context) => {
    const page = await open(context, look);
    await page.getByLabel('Your question').fill(`${'long'.repeat(100)} why is the sky blue?`);
    await page.keyboard.press('Enter');
    await page.locator('.trust').waitFor({ timeout: 20_000 });
    const overflow = (): Promise<number> =>
      page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok((await overflow()) <= 0, 'chat');
    await page.locator('.trust').click();
    await page.locator('.merkle').waitFor();
    assert.ok(
      (await page.evaluate<number>(
        '(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector(".receipt-body"))',
      )) <= 0,
      'receipt',
    );
    await page.keyboard.press('Escape');
    for (const view of ['Peers', 'Receipts', 'Money', 'Settings']) {
      await page.getByRole('button', { name: view, exact: true }).click();
      assert.ok((await overflow()) <= 0, view);
    }
  });
}

for (const look of [looks[1], looks[2], looks[3]]) {
  test(`axe-core finds no violation in the payment dialogs and error states: ${look.name}`, {
    skip,
  }, async (context) => {
    const market = await startPaidMarket(
      context,
      { damage: 3 },
      { here: [createScriptedEngine()], own: true, gateway: { defaults: { ...testDefaults, maxPrice: 500_000_000 } } },
    );
    const { page } = await openPage(context, market.url, { ...look.options, reducedMotion: 'reduce' });
    await page.addInitScript(testWalletScript(market.seed));
    await page.goto(market.url);
    const states: Record<string, readonly string[]> = {};
    const note = async (state: string): Promise<void> => {
      states[state] = await violations(page);
      assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth')) <= 0, state);
    };
    await page.locator('#token').waitFor();
    await note('locked');
    await page.goto(`${market.url}/#token=${testToken}`);
    await page.locator('#token').waitFor({ state: 'detached' });
    await connectWallet(page);
    await page.getByLabel('Your question').fill('worth it?');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Sign to pay' }).waitFor();
    await note('to pay');
    await page.getByRole('button', { name: 'Sign with the wallet' }).click();
    await page.getByRole('dialog', { name: 'A check failed: sign to reject' }).waitFor();
    await note('to reject');
    await page.getByRole('button', { name: 'What failed?' }).click();
    await page.locator('.fault').waitFor();
    await note('a receipt over it');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.locator('.waiting-payments p').waitFor();
    await page.getByRole('button', { name: 'Money', exact: true }).click();
    await page.getByText('The gateway’s own wallet').waitFor();
    await page.getByRole('button', { name: 'Reject', exact: true }).waitFor();
    await note('money');
    await market.gateway.stop();
    await page.locator('.banner', { hasText: 'The gateway does not respond' }).waitFor();
    await page.getByRole('button', { name: 'Chat', exact: true }).click();
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByLabel('Your question').fill('gone?');
    await page.keyboard.press('Enter');
    await page.locator('.failure').last().waitFor();
    await note('gone');
    for (const [state, found] of Object.entries(states)) assert.deepEqual(found, [], state);
  });
}
