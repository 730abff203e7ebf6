import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

let opening: Promise<Browser> | null = null;

/** The Chromium from the test dependencies, shared by all tests of a file. */
async function openBrowser(): Promise<Browser> {
  const folder = await mkdtemp(join(tmpdir(), 'qvac-chromium-'));
  // The package unpacks it into the folder for temporary files.
  process.env.TMPDIR = folder;
  const [{ default: chromium }, { chromium: playwright }] = await Promise.all([
    import('@sparticuz/chromium'),
    import('playwright-core'),
  ]);
  // Without the arguments that the package recommends: they disable origin isolation, which the page relies on.
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-zygote'],
    headless: true,
  });
  after(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });
  return browser;
}

/** Why there is no browser here, or null. In CI this is a failure. */
export async function noBrowser(): Promise<string | null> {
  try {
    await (opening ??= openBrowser());
    return null;
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return `no browser: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

/** Opens a page in a browser without history. A request to any other origin than `origin` fails the test. */
export async function openPage(
  context: TestContext,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly strayed: readonly string[]; readonly complaints: readonly string[] }> {
  const browser = await (opening ??= openBrowser());
  const profile = await browser.newContext(options);
  context.after(() => profile.close());
  const page = await profile.newPage();
  const strayed: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:') && !request.url().startsWith('about:'))
      strayed.push(request.url());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  return { page, strayed, complaints };
}

/** Holds the response to the next request to `url`, as it is when the gateway sends it. */
export async function holdNext(
  page: Page,
  url: string,
): Promise<{ readonly reached: Promise<void>; release(): Promise<void> }> {
  const [reached, released, done] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  await page.route(
    url,
    async (route) => {
      const response = await route.fetch();
      reached.resolve();
      await released.promise;
      await route.fulfill({ response });
      done.resolve();
    },
    { times: 1 },
  );
  return {
    reached: reached.promise,
    release() {
      released.resolve();
      return done.promise;
    },
  };
}
