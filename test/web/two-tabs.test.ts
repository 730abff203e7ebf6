import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { noBrowser } from '../support/browser.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { ask, openSaying } from '../support/page.ts';

const skip = (await noBrowser()) ?? false;

/** Another tab of the same browser. */
async function openTab(page: Page, url: string): Promise<Page> {
  const tab = await page.context().newPage();
  await tab.goto(url);
  await tab.locator('#model option').nth(1).waitFor({ state: 'attached' });
  return tab;
}

const texts = async (page: Page): Promise<readonly string[]> =>
  (await page.locator('article .content').allTextContents()).map((text) => text.trim());
const verified = async (page: Page, count: number): Promise<void> =>
  page
    .locator('.trust', { hasText: 'checked: sampling' })
    .nth(count - 1)
    .waitFor();

/** Two tabs that show the same conversation, with one question answered. */
async function openBoth(
  context: TestContext,
  init: Parameters<typeof openSaying>[2] = {},
): Promise<{ readonly first: Page; readonly second: Page }> {
  const { page: first, url } = await openSaying(context, 'fine', init);
  await ask(first, 'one');
  await verified(first, 1);
  const second = await openTab(first, url);
  await second.getByRole('button', { name: 'one', exact: true }).click();
  await verified(second, 1);
  return { first, second };
}

/** Resolves once the first conversation in storage has so many turns. */
const untilStored = (page: Page, turns: number): Promise<void> =>
  untilStorage(page, `(stored) => stored[0]?.turns.length === ${turns}`);

/** Resolves once no conversation is in storage. */
const untilNoneStored = (page: Page): Promise<void> => untilStorage(page, '(stored) => stored.length === 0');

/**
 * Resolves once `holds` of the conversations in storage. The page looks by itself: its content security policy refuses
 * `waitForFunction` every look but the first.
 */
async function untilStorage(page: Page, holds: string): Promise<void> {
  await page.evaluate(`new Promise((resolve, reject) => {
    const text = () => localStorage.getItem("qvac.conversations");
    const look = () => ((${holds})(JSON.parse(text())) ? resolve() : setTimeout(look, 20));
    look();
    setTimeout(() => reject(new Error("stored are " + text())), 30_000);
  })`);
}

test('two tabs keep each other’s messages in one conversation', { skip }, async (context) => {
  const { first, second } = await openBoth(context);
  await ask(first, 'two');
  await verified(first, 2);
  await verified(second, 2);
  await ask(second, 'three');
  await verified(second, 3);
  await verified(first, 3);
  const expected = ['one', 'fine', 'two', 'fine', 'three', 'fine'];
  assert.deepEqual(await texts(first), expected);
  assert.deepEqual(await texts(second), expected);
  await first.reload();
  await verified(first, 3);
  assert.deepEqual(await texts(first), expected);
});

test('a message that another tab overwrote in storage comes back', { skip }, async (context) => {
  const { first, second } = await openBoth(context);
  const stored = await first.evaluate<string>('localStorage.getItem("qvac.conversations")');
  await ask(first, 'two');
  await verified(first, 2);
  // As if the second tab had written at the same moment.
  await second.evaluate(`localStorage.setItem("qvac.conversations", ${JSON.stringify(stored)})`);
  await untilStored(first, 4);
  await verified(second, 2);
});

test('an answer that another tab receives is shown as such, and blocks the composer', { skip }, async (context) => {
  const gate = createGate(2);
  const init = { providers: [{ engine: createDictatedEngine('It scatters.', { beforeStep: gate.beforeStep }) }] };
  const { page: first, url } = await openSaying(context, '', init);
  const second = await openTab(first, url);
  await ask(first, 'why?');
  await gate.reached;
  await second.getByRole('button', { name: 'why?', exact: true }).click();
  await second.getByText('Another tab is receiving this answer…').waitFor();
  assert.equal(await second.getByRole('button', { name: 'Ask', exact: true }).isVisible(), false);
  assert.equal(await second.getByRole('button', { name: 'Stop', exact: true }).isVisible(), false);
  gate.open();
  await verified(second, 1);
  assert.deepEqual(await texts(second), ['why?', 'It scatters.']);
  await second.getByRole('button', { name: 'Ask', exact: true }).waitFor();
});

test('the claim of a tab that is closed ends, and the answer can be asked again', { skip }, async (context) => {
  const gate = createGate(2);
  const init = { providers: [{ engine: createDictatedEngine('It scatters.', { beforeStep: gate.beforeStep }) }] };
  const { page: first, url } = await openSaying(context, '', init);
  const second = await openTab(first, url);
  await ask(first, 'why?');
  await gate.reached;
  await second.getByRole('button', { name: 'why?', exact: true }).click();
  await second.getByText('Another tab is receiving this answer…').waitFor();
  await first.close({ runBeforeUnload: false });
  await second.locator('.failure', { hasText: 'The page was closed during this answer.' }).waitFor();
  gate.open();
  await second.getByRole('button', { name: 'Ask again' }).click();
  await verified(second, 1);
  assert.deepEqual(await texts(second), ['why?', 'It scatters.']);
});

test('asking again in one tab replaces the answer in both', { skip }, async (context) => {
  const { first, second } = await openBoth(context);
  const receipt = await first.locator('.trust').getAttribute('data-receipt');
  await second.getByRole('button', { name: 'Ask again' }).click();
  await second.locator(`.trust:not([data-receipt="${receipt}"])`, { hasText: 'checked: sampling' }).waitFor();
  await first.locator(`.trust:not([data-receipt="${receipt}"])`, { hasText: 'checked: sampling' }).waitFor();
  assert.deepEqual(await texts(first), ['one', 'fine']);
  assert.deepEqual(await texts(second), ['one', 'fine']);
});

test('a conversation forgotten in one tab closes in the other, even during an answer', { skip }, async (context) => {
  const gate = createGate(2);
  const init = { providers: [{ engine: createDictatedEngine('It scatters.', { beforeStep: gate.beforeStep }) }] };
  const { page: first, url, providers } = await openSaying(context, '', init);
  const second = await openTab(first, url);
  await ask(first, 'one');
  await gate.reached;
  await second.getByRole('button', { name: 'Forget “one”' }).click();
  await first.locator('.welcome').waitFor();
  // The answer is stopped.
  assert.equal((await providers[0]?.events.until('job-finished'))?.finish, 2);
  gate.open();
  await untilNoneStored(first);
  await untilNoneStored(second);
});

test('settings changed in one tab show in the other', { skip }, async (context) => {
  const { page: first, url } = await openSaying(context, 'fine');
  const second = await openTab(first, url);
  for (const page of [first, second]) await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await first.getByLabel('Temperature').fill('0.5');
  await first.getByLabel('Seed').focus();
  // Until then the second tab would write back the settings that it knows.
  await untilValue(second, 'Temperature', '0.5');
  await second.getByLabel('System message').fill('Be brief');
  await second.getByLabel('Seed').focus();
  await untilValue(first, 'System message', 'Be brief');
  const settings = await first.evaluate<{ temperature: string; system: string }>(
    'JSON.parse(localStorage.getItem("qvac.settings"))',
  );
  assert.deepEqual([settings.temperature, settings.system], ['0.5', 'Be brief']);
  await second.getByRole('button', { name: 'Money', exact: true }).click();
  await first.getByRole('button', { name: 'Money', exact: true }).click();
  await first.getByLabel('The most that one answer may cost you').fill('0.25');
  await first.getByLabel('The most that one answer may cost you').blur();
  await untilValue(second, 'The most that one answer may cost you', '0.25');
});

/** Waits until the field with this label shows `value`. The page allows no evaluated text, so it is polled from here. */
async function untilValue(page: Page, label: string, value: string): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    const shown = await page.getByLabel(label).inputValue();
    if (shown === value) return;
    assert.ok(!deadline.aborted, `${label}: ${shown}`);
    await setTimeout(50);
  }
}
