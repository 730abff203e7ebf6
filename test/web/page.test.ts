import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ackStop } from '../../src/protocol/codes.ts';
import { decodeAck } from '../../src/protocol/validate.ts';
import { noBrowser, openPage } from '../support/browser.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { startGateway, testToken } from '../support/gateway.ts';
import { ask, openSaying } from '../support/page.ts';
import { quietPort } from '../support/ports.ts';
import { createScriptedEmbedder } from '../support/scripted-embedder.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const skip = (await noBrowser()) ?? false;
const web = new URL('../../dist/web/', import.meta.url);

test('the built page is under 100 KB gzipped', async () => {
  const sizes = await Promise.all(
    (await readdir(web)).map(async (name) => gzipSync(await readFile(new URL(name, web))).length),
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total > 10_000 && total < 100_000, `${total} bytes`);
});

test('asks, shows the answer and opens its receipt', { skip }, async (context) => {
  const { url, page, strayed, complaints } = await openSaying(context, 'It **scatters**:\n\n- blue\n- more');
  assert.equal(page.url(), `${url}/`, 'the token stays in the address');
  await ask(page, 'why is the sky blue?');
  const trust = page.locator('.trust');
  await trust.waitFor();
  assert.equal(await page.locator('.assistant strong').first().textContent(), 'scatters');
  assert.equal(await page.locator('.assistant li').count(), 2);
  await trust.filter({ hasText: /checked: sampling · \d+ tokens .* free · receipt/ }).waitFor();
  await trust.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Drawn by your seed').waitFor();
  assert.equal(await dialog.locator('.checks li.good').count(), 4);
  await dialog.locator('.merkle.good').waitFor();
  const steps = dialog.getByRole('combobox', { name: 'Step' });
  for (let at = 1; at < 16; at += 5) {
    await steps.selectOption({ index: at });
    const chosen = /step (\d+)/.exec((await steps.locator('option').nth(at).textContent()) ?? '')?.[1];
    await dialog.locator('.merkle.good > p', { hasText: `hashed step ${chosen} ` }).waitFor();
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual([strayed, complaints], [[], []]);
});

test('a question names who must consent to payments, whatever the page knows of the gateway’s limit', {
  skip,
}, async (context) => {
  const { page } = await openSaying(context, 'It scatters.');
  const sent = page.waitForRequest('**/v1/chat/completions');
  await ask(page, 'why is the sky blue?');
  const { qvac } = (await sent).postDataJSON() as { readonly qvac: { readonly consent?: string } };
  assert.match(qvac.consent ?? '', /^page-[0-9a-f]{24}$/);
  await page.locator('.trust').waitFor();
});

test('shows what the model thought apart from its answer', { skip }, async (context) => {
  const { page } = await openSaying(context, '<think>\nBlue light <b>scatters</b>.\n</think>\n\nIt scatters.');
  await ask(page, 'why?');
  await page.locator('.trust').waitFor();
  assert.equal((await page.locator('.assistant .content').textContent())?.trim(), 'It scatters.');
  const thinking = page.locator('.assistant details.thinking');
  assert.equal(await thinking.locator('p').textContent(), 'Blue light <b>scatters</b>.');
  await thinking.locator('summary').click();
  await thinking.getByText('Blue light').waitFor();
});

test('a tampered step does not lead to the signed root', { skip }, async (context) => {
  const { page } = await openSaying(context, 'It scatters.');
  await page.route(/\/qvac\/receipts\/[0-9a-f]{64}$/, async (route) => {
    const response = await route.fetch();
    // The verdict may be awaited still; the page then asks again.
    if (response.status() !== 200) return route.fulfill({ response });
    const report = (await response.json()) as { steps: { candidates: { q: number }[] }[] };
    // One logit of one candidate, changed by one 1,024th.
    report.steps = report.steps.map((step) => ({
      ...step,
      candidates: step.candidates.map((each, at) => (at === 3 ? { ...each, q: each.q + 1 } : each)),
    }));
    await route.fulfill({ json: report });
  });
  await ask(page, 'why?');
  await page.locator('.trust').click();
  await page.locator('.merkle.bad', { hasText: 'but the provider signed' }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('counts the vectors of an embedding job, which has no tokens of an answer', { skip }, async (context) => {
  const { page, url } = await openSaying(context, '', { providers: [{ engine: createScriptedEmbedder() }] });
  const request = { method: 'POST', body: JSON.stringify({ input: ['one', 'two'] }) };
  assert.equal((await fetch(`${url}/v1/embeddings`, request)).status, 200);
  await page.getByRole('button', { name: 'Receipts', exact: true }).click();
  await page.locator('td', { hasText: '2 vectors' }).waitFor();
  await page.getByRole('button', { name: /^Receipt / }).click();
  await page.locator('dd', { hasText: 'one for each of 2 texts' }).waitFor();
  await page.locator('dt', { hasText: 'Embedded by' }).waitFor();
  assert.equal(await page.locator('dt', { hasText: 'Temperature' }).count(), 0);
});

test('says verified only under an answer that was recomputed', { skip }, async (context) => {
  const { page } = await openSaying(context, '', { providers: [{}], here: [createScriptedEngine()] });
  await ask(page, 'why?');
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
});

test('a stopped answer has a receipt; asking again gives another answer', { skip }, async (context) => {
  const gate = createGate(20);
  const { page, providers } = await openSaying(context, `some words ${'x'.repeat(400)}`, {
    providers: [{ engine: createDictatedEngine(`some words ${'x'.repeat(400)}`, { beforeStep: gate.beforeStep }) }],
  });
  await ask(page, 'talk');
  await page.locator('.assistant', { hasText: 'some words' }).waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('.trust').waitFor();
  gate.open();
  const [receipt] = providers[0]?.receipts.values() ?? [];
  assert.equal(
    receipt?.ack === null || receipt === undefined ? null : decodeAck(receipt.ack.body).stop,
    ackStop.cancel,
  );
  assert.ok((receipt?.tokens.length ?? 0) < 100);
  await page.getByRole('button', { name: 'Ask again' }).click();
  await page.locator('.assistant', { hasText: 'xxx' }).waitFor();
  await page.locator('.trust').waitFor();
  assert.equal(await page.locator('.assistant').count(), 1);
});

test('nothing in an answer runs, loads or misleads', { skip }, async (context) => {
  const hostile = [
    '<script>document.title = "taken"</script>' +
      '<img src="https://beacon.example/a.png" onerror="document.title = \'taken\'">',
    '![beacon](https://beacon.example/b.png) [click](javascript:document.title="taken") ' +
      '[data](data:text/html,<script>1</script>) [good](https://example.org/)',
    '<iframe src="https://beacon.example"></iframe>' +
      '<svg onload="document.title=\'taken\'"><style>@import "https://beacon.example/c.css"</style></svg>',
    '<form action="https://beacon.example"><input name="q" autofocus onfocus="document.title=\'taken\'"></form>' +
      '<a href="https://beacon.example" style="position:fixed;inset:0">x</a>',
    '- [x] done',
    'end',
  ].join('\n\n');
  const { page, strayed } = await openSaying(context, hostile);
  await ask(page, 'attack');
  await page.locator('.trust').waitFor();
  const body = page.locator('.assistant .content');
  assert.match((await body.textContent()) ?? '', /end\s*$/);
  assert.equal(
    await body
      .locator(
        'script, img, iframe, svg, style, form, object, embed, link, meta, ' +
          '[style], [onerror], [onload], [onfocus], input:not([type=checkbox])',
      )
      .count(),
    0,
  );
  const links = await body
    .locator('a')
    .evaluateAll((all) => all.map((link) => [link.getAttribute('href'), link.getAttribute('rel')]));
  assert.deepEqual(
    links.filter(([href]) => href !== null && !/^https?:/.test(href)),
    [],
  );
  assert.ok(links.some(([href, rel]) => href === 'https://example.org/' && rel?.includes('noopener')));
  assert.equal(await page.title(), 'qvac');
  assert.deepEqual(strayed, []);
});

test('an answer too deep or too costly to be rendered is shown as it came, also after a reload', {
  skip,
}, async (context) => {
  const { page, complaints } = await openSaying(context, 'It scatters.');
  const wide = `${'a|'.repeat(1_000)}\n${'-|'.repeat(1_000)}\n${'b\n'.repeat(20_000)}c`;
  const asItCame = [wide, `${'- '.repeat(6_000)}deep`, `${'> '.repeat(6_000)}deep`, `# a${' '.repeat(60_000)}b`];
  const paragraph = '*a_'.repeat(20_000);
  for (const [content, shown = content] of [...asItCame.map((text) => [text]), [paragraph, `${paragraph}\n`]]) {
    assert.ok(content !== undefined);
    const turn = { id: 'a1', role: 'assistant', at: 1, content };
    const conversation = { id: 'c1', title: 'Deep', at: 1, turns: [turn], removed: [] };
    await page.evaluate(
      (json) => {
        localStorage.setItem('qvac.conversations', json);
        sessionStorage.setItem('qvac.open', 'c1');
      },
      JSON.stringify([conversation]),
    );
    await page.reload();
    assert.equal(await page.locator('.assistant .content').textContent(), shown);
  }
  assert.deepEqual(complaints, []);
});

test('what another version left in storage does not keep the page from starting', { skip }, async (context) => {
  const { page, complaints } = await openSaying(context, 'It starts.');
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  for (const more of [{ trust: { verified: 'sworn' } }, { error: { code: 7 } }, { by: {} }]) {
    const turn = { id: 'a1', role: 'assistant', at: 1, content: 'older', ...more };
    const conversation = { id: 'c1', title: 'Older', at: 1, turns: [turn], removed: [] };
    await page.evaluate(
      ([conversations, settings]) => {
        localStorage.setItem('qvac.conversations', conversations ?? '');
        localStorage.setItem('qvac.settings', settings ?? '');
        sessionStorage.setItem('qvac.open', 'c1');
      },
      [JSON.stringify([conversation]), '{"maxPrice":"much","maxDeposit":1,"system":5}'],
    );
    await page.reload();
    await page.getByLabel('Your question').waitFor();
    assert.equal(await page.getByLabel('The most that one answer may cost you, in SOL').inputValue(), '');
  }
  await ask(page, 'now?');
  await page.locator('.trust').waitFor();
  assert.deepEqual(complaints, []);
});

test('shows strings of a provider’s card as text', { skip }, async (context) => {
  const name = '<img src=x onerror=document.title=1>"\u202e\'';
  const { page, strayed, complaints } = await openSaying(context, '', {
    providers: [
      { engine: createDictatedEngine('fine', { name, quant: '</select><script>document.title=2</script>' }) },
    ],
  });
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Peers' }).click();
  await page.locator('table td', { hasText: '<img src=x' }).waitFor();
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  await page.locator('#model').selectOption({ index: 1 });
  await ask(page, 'hello');
  await page.locator('.trust', { hasText: '<img src=x' }).waitFor();
  assert.equal(await page.title(), 'qvac');
  assert.deepEqual([strayed, complaints], [[], []]);
});

test('asks and reads nothing until the token unlocks the page', { skip }, async (context) => {
  const { url, providers } = await startGateway(context);
  const { page } = await openPage(context, url);
  await page.goto(url);
  await page.getByText('Open the link that qvac gateway printed').waitFor();
  await ask(page, 'let me in');
  await page.locator('.error', { hasText: 'This page has no valid token' }).waitFor();
  assert.equal(providers[0]?.receipts.size, 0);
  await page.locator('#token').fill(`${url}/#token=${testToken}`);
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.locator('#token').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Ask again' }).click();
  await page.locator('.trust').waitFor();
});

test('a link whose token the gateway does not know locks nothing out', { skip }, async (context) => {
  const { page, url } = await openSaying(context, 'still here');
  const wrong = `${url}/#token=of-another-site-0123456789`;
  const opened = await page.context().newPage();
  for (const each of [opened, page]) {
    const renewed = each.waitForResponse((response) => response.url().endsWith('/qvac/session') && response.ok());
    await each.goto(wrong);
    await renewed;
    await ask(each, 'are you?');
    await each.locator('.trust').waitFor();
    assert.equal(await each.evaluate('localStorage.getItem("qvac.token")'), testToken);
  }
  await opened.reload();
  await opened.locator('#model option').nth(1).waitFor({ state: 'attached' });
});

test('a page of another origin can neither ask nor read', { skip }, async (context) => {
  const { url, providers } = await startGateway(context);
  // The same machine on another port is the closest foreign origin there is.
  const other = await startGateway(context, { providers: [] });
  const { page } = await openPage(context, other.url);
  await page.goto(`${other.url}/health`);
  const reached = await page.evaluate(`Promise.all([
    fetch(${JSON.stringify(url)} + '/v1/models').then(() => 'read', () => 'refused'),
    fetch(${JSON.stringify(url)} + '/v1/chat/completions', {
      method: 'POST',
      mode: 'no-cors',
      body: '{"messages":[{"role":"user","content":"spend"}]}',
    }).then((response) => response.type, () => 'refused'),
  ])`);
  assert.deepEqual(reached, ['refused', 'refused']);
  assert.equal(providers[0]?.receipts.size, 0);
});

test('reconnects by itself after the gateway restarted with another token', { skip }, async (context) => {
  const port = await quietPort();
  const { page, gateway } = await openSaying(context, 'before and after', { gateway: { port } });
  await ask(page, 'one');
  await page.locator('.trust').waitFor();
  await gateway.stop();
  await page.getByText('The gateway does not respond').waitFor();
  await startGateway(context, {
    providers: [{ engine: createDictatedEngine('before and after') }],
    gateway: { port, token: 'another-token-of-the-next-run-0123', formerToken: testToken },
  });
  await page.getByText('The gateway does not respond').waitFor({ state: 'detached' });
  await ask(page, 'two');
  await page.locator('.trust').nth(1).waitFor();
});

test('keeps conversations in the browser across a reload until they are forgotten', { skip }, async (context) => {
  const { page } = await openSaying(context, 'remembered');
  await ask(page, 'what is kept?');
  await page.locator('.trust').waitFor();
  await page.reload();
  await page
    .getByRole('navigation', { name: 'Conversations' })
    .getByRole('button', { name: 'what is kept?', exact: true })
    .click();
  await page.locator('.assistant', { hasText: 'remembered' }).waitFor();
  await page.getByRole('button', { name: 'Forget “what is kept?”' }).click();
  assert.equal(await page.locator('.assistant').count(), 0);
  assert.equal(await page.evaluate('localStorage.getItem("qvac.conversations")'), '[]');
});

test('works by keyboard alone', { skip }, async (context) => {
  const { page } = await openSaying(context, 'by keys alone');
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  const focus = async (): Promise<string> =>
    String(
      await page.evaluate('(document.activeElement.textContent || document.activeElement.id).trim().slice(0, 20)'),
    );
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let tries = 0; tries < 40; tries++) {
      if (name.test(await focus())) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`${String(name)} cannot be reached`);
  };
  await tabTo(/^prompt$/);
  await page.keyboard.type('hello');
  await page.keyboard.press('Enter');
  await page.locator('.trust', { hasText: 'checked' }).filter({ hasNotText: 'being checked' }).waitFor();
  await page.keyboard.press('Shift+Tab');
  await tabTo(/^✓checked/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match(await focus(), /^✓checked/);
});
