import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { violations } from '../support/axe.ts';
import { noBrowser } from '../support/browser.ts';
import { startProvider } from '../support/market.ts';
import { ask, openSaying } from '../support/page.ts';

const skip = (await noBrowser()) ?? false;

const overflow = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');

test('the map and the table follow peers as they come and go', { skip }, async (context) => {
  const { page, discovery, providers } = await openSaying(context, 'here');
  await page.getByRole('button', { name: 'Peers', exact: true }).click();
  await page.getByRole('img', { name: 'Map of 1 peer;' }).waitFor();
  const other = await startProvider(context, { script: { name: 'other' } });
  await discovery.get(other.address);
  await page.getByRole('img', { name: 'Map of 2 peers;' }).waitFor();
  assert.equal(await page.locator('.map .peer circle').count(), 2);
  await page.getByRole('row', { name: /other q8_0/ }).waitFor();
  await page
    .getByRole('status')
    .filter({ hasText: /^2 peers on the network/ })
    .waitFor();
  // The first peer stays in place, and no two share a direction.
  const lines = await page.locator('.map .link').evaluateAll((all) => all.map((each) => each.getAttribute('d')));
  assert.equal(new Set(lines).size, 2);
  await other.provider.stop();
  await other.peer.stop();
  await page.getByRole('img', { name: 'Map of 1 peer;' }).waitFor();
  assert.equal(providers.length, 1);
});

test('says what to do when there are no peers', { skip }, async (context) => {
  const { page } = await openSaying(context, '', { providers: [] });
  await page.getByText('No provider offers this model now. Choose another one, or wait.').waitFor();
  await page.locator('.banner', { hasText: 'no provider or router has been found yet' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Peers', exact: true }).click();
  await page.getByText(/No peers found yet on the network “test”/).waitFor();
  assert.deepEqual(await violations(page), []);
});

test('marks a chosen model that is gone, and says what to do when it is asked', { skip }, async (context) => {
  const { page, providers } = await openSaying(context, 'here');
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await page.locator('#model').selectOption({ index: 1 });
  await providers[0]?.provider.stop();
  await providers[0]?.peer.stop();
  await page.locator('#model option', { hasText: 'scripted q8_0 · not on offer now' }).waitFor({ state: 'attached' });
  await ask(page, 'still?');
  await page.locator('.failure', { hasText: 'choose another model' }).waitFor();
});

test('shows names that are very long, bidirectional or HTML as ordinary lines', {
  skip,
}, async (context) => {
  const { page, strayed, complaints } = await openSaying(
    context,
    'fine',
    {},
    { viewport: { width: 390, height: 800 } },
  );
  const record = {
    served: 0,
    verified: 0,
    faults: 0,
    aborted: 0,
    usable: false,
    reason: '<img src=https://beacon.example/a onerror=document.title=1>',
  };
  const name = `\u202Eemos\u202C\u0000\u200B${'W'.repeat(10_000)}<script>document.title=1</script>`;
  const peers = Array.from({ length: 200 }, (_, at) => ({
    peer: `12D3KooW${String(at).padStart(44, 'x')}`,
    role: at % 7 === 0 ? 'router' : 'provider',
    device: name,
    tokensPerSecond: 1e9,
    rttMs: at * 20,
    since: 0,
    sources: [],
    record,
    models: [
      {
        id: 'ab',
        name,
        quant: '"><svg onload=document.title=1>',
        context: 1,
        priceIn: Number.MAX_SAFE_INTEGER,
        priceOut: Number.MAX_SAFE_INTEGER,
        slots: 1,
      },
    ],
  }));
  await page.route('**/qvac/peers', (route) => route.fulfill({ json: { peers } }));
  await page.getByRole('button', { name: 'Peers', exact: true }).click();
  await page.getByRole('img', { name: 'Map of 200 peers;' }).waitFor();
  assert.ok((await overflow(page)) <= 0, 'peers');
  assert.doesNotMatch((await page.locator('.peers').textContent()) ?? '', /[\u202E\u200B\u0000]/);
  assert.ok(((await page.locator('.peers bdi').first().textContent()) ?? '').length <= 60);
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  assert.ok((await overflow(page)) <= 0, 'chat');
  assert.equal(await page.title(), 'qvac');
  assert.equal(await page.locator('.peers img, .peers script, .peers [onload]').count(), 0);
  assert.deepEqual([strayed, complaints], [[], []]);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('the content policy blocks everything that the gateway does not serve', { skip }, async (context) => {
  const { page, url, strayed } = await openSaying(context, 'fine');
  const policy = (await fetch(url)).headers.get('content-security-policy') ?? '';
  const rules = new Map(
    policy.split('; ').map((rule) => [rule.split(' ')[0] ?? '', rule.slice(rule.indexOf(' ') + 1)]),
  );
  assert.deepEqual(Object.fromEntries(rules), {
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self' data:",
    'connect-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
    'trusted-types': 'dompurify',
  });
  // What an injected script would try.
  const tried = await page.evaluate(`(async () => {
    const refused = (work) => work().then(() => false, () => true);
    const blocked = new Promise((resolve) =>
      document.addEventListener('securitypolicyviolation', () => resolve(true), { once: true }));
    const image = document.createElement('img');
    image.src = 'https://beacon.example/pixel.png';
    document.body.append(image);
    const throws = (work) => { try { work(); return false; } catch { return true; } };
    const sink = () => throws(() => { document.createElement('div').innerHTML = '<b>x</b>'; });
    const script = document.createElement('script');
    const code = () =>
      throws(() => {
        script.textContent = 'document.title = "taken"';
        document.body.append(script);
      }) || document.title !== 'taken';
    return [
      await refused(() => fetch('https://beacon.example/')),
      await blocked,
      sink(),
      code(),
      await refused(async () => new WebSocket('wss://beacon.example/')),
    ];
  })()`);
  assert.deepEqual((tried as readonly boolean[]).slice(0, 4), [true, true, true, true]);
  assert.deepEqual(
    strayed.filter((each) => !each.includes('beacon.example')),
    [],
  );
});

test('dialogs take the focus, keep it and return it', { skip }, async (context) => {
  const { page } = await openSaying(context, 'fine');
  await ask(page, 'hello');
  await page.locator('.trust').focus();
  await page.keyboard.press('Enter');
  await page.locator('.merkle').waitFor();
  for (let at = 0; at < 12; at++) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(
      'document.activeElement === document.body || document.activeElement.closest("dialog") !== null',
    );
    assert.equal(inside, true, `tab ${at}`);
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  // The dialog is gone a moment before its `close` event, which moves the focus to a line that was drawn anew.
  await page.locator('.trust:focus').waitFor();
  await page.keyboard.press('Enter');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save the receipt' }).click();
  assert.match((await download).suggestedFilename(), /^receipt-[0-9a-f]{12}\.json$/);
});
