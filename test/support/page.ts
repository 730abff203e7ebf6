import type { TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage } from './browser.ts';
import { createDictatedEngine } from './dictated-engine.ts';
import { startGateway, type TestGateway, type TestGatewayInit, testDefaults, testToken } from './gateway.ts';

/** Opens the unlocked page over a market whose provider answers `text`. */
export async function openSaying(
  context: TestContext,
  text: string,
  init: TestGatewayInit = {},
  options: Parameters<typeof openPage>[2] = {},
): Promise<TestGateway & Awaited<ReturnType<typeof openPage>>> {
  const started = await startGateway(context, {
    providers: [{ engine: createDictatedEngine(text) }],
    ...init,
    gateway: { defaults: { ...testDefaults, maxTokens: 1_000 }, ...init.gateway },
  });
  const opened = await openPage(context, started.url, options);
  await opened.page.goto(`${started.url}/#token=${testToken}`);
  return { ...started, ...opened };
}

/** Types a question and sends it. */
export async function ask(page: Page, question: string): Promise<void> {
  await page.getByLabel('Your question').fill(question);
  await page.keyboard.press('Enter');
}
