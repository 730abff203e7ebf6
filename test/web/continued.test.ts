import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfNumber } from '../../src/protocol/digests.ts';
import { BreakPlan, breakingPeer } from '../support/breaking.ts';
import { noBrowser, openPage } from '../support/browser.ts';
import { startGateway, testDefaults, testToken } from '../support/gateway.ts';
import { askOnPage } from '../support/paid-page.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const skip = (await noBrowser()) ?? false;

test('the page shows the pieces of an answer that two providers wrote, each with its receipt', {
  skip,
}, async (context) => {
  const plan = new BreakPlan();
  plan.set(seedOfNumber(7n), [40]);
  const { tokenizer } = createScriptedEngine();
  const { url, providers } = await startGateway(context, {
    here: [createScriptedEngine()],
    providers: [0, 1].map(() => ({ wrapPeer: (peer) => breakingPeer(peer, plan, tokenizer) })),
    gateway: { defaults: { ...testDefaults, maxTokens: 64 } },
  });
  const { page } = await openPage(context, url);
  await page.goto(`${url}/#token=${testToken}`);
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByLabel('Seed').fill('7');
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await askOnPage(page, 'why is the sky blue?');
  const line = page.locator('.trust', {
    hasText: /verified exact · 64 tokens .* 12D3Koo…\w+, then 12D3Koo…\w+ after 40/,
  });
  await line.click();
  const receipt = page.getByRole('dialog', { name: 'Receipt' });
  const writers = async (name: string): Promise<string> =>
    (await receipt.locator('dt', { hasText: name }).locator('+ dd').textContent()) ?? '';
  const peers = providers.map(({ peer }) => peer.id);
  const [begun, continued] = [await writers('Begun by'), await writers('Continued by')];
  const first = peers.find((peer) => begun.startsWith(peer)) ?? assert.fail(begun);
  const second = peers.find((peer) => peer !== first);
  assert.match(begun, /, 40 tokens, receipt [0-9a-f]{4}…/);
  assert.equal(continued, `${second}, 24 tokens`);
  assert.match(await writers('Tokens'), /64 tokens in the answer/);
  await receipt.getByRole('button', { name: /^receipt / }).click();
  assert.equal(await writers('Answered by'), first);
});
