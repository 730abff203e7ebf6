import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, QvacError } from '../../src/errors.ts';
import { violations } from '../support/axe.ts';
import { noBrowser, openPage } from '../support/browser.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { noModels, startGateway, testToken } from '../support/gateway.ts';
import { ask, openSaying } from '../support/page.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const skip = (await noBrowser()) ?? false;

/** A provider that answers `text` and stops before its step `at` until the gate opens. */
function held(text: string, at: number, context = 4_096) {
  const gate = createGate(at);
  return { gate, providers: [{ engine: createDictatedEngine(text, { beforeStep: gate.beforeStep, context }) }] };
}

test('keeps finished paragraphs in place while the answer grows', { skip }, async (context) => {
  const text = `First **paragraph**.\n\n- one\n- two\n\n${'Next paragraph. '.repeat(20)}\n\n${'Last. '.repeat(20)}`;
  const [early, late] = [createGate(100), createGate(400)];
  const beforeStep = async (...step: Parameters<typeof early.beforeStep>): Promise<void> => {
    await early.beforeStep(...step);
    await late.beforeStep(...step);
  };
  const { page } = await openSaying(context, text, {
    providers: [{ engine: createDictatedEngine(text, { beforeStep }) }],
  });
  await ask(page, 'long?');
  await page.locator('.assistant', { hasText: 'Next paragraph' }).waitFor();
  await page.evaluate(
    'for (const tag of ["p", "li"]) document.querySelector(".assistant .content " + tag).kept = true',
  );
  early.open();
  await page.locator('.assistant', { hasText: 'Last.' }).waitFor();
  assert.deepEqual(
    await page.evaluate(
      '[document.querySelector(".assistant .content p").kept, document.querySelector(".assistant .content li").kept]',
    ),
    [true, true],
  );
  late.open();
  await page.locator('.trust').waitFor();
  assert.equal(await page.locator('.assistant .content > p').count(), 3);
  assert.equal(await page.locator('.assistant .content li').count(), 2);
});

test('renders an unfinished code block as code, without its fence', { skip }, async (context) => {
  const text = 'So:\n\n```js\nconst a = 1;\n\nconst b = 2;\n```\n\nDone.';
  const { gate, providers } = held(text, 30);
  const { page } = await openSaying(context, text, { providers });
  await ask(page, 'code?');
  await page.locator('.assistant pre code', { hasText: 'const a = 1;' }).waitFor();
  assert.doesNotMatch((await page.locator('.assistant .content').textContent()) ?? '', /`/);
  gate.open();
  await page.locator('.trust').waitFor();
  assert.equal(await page.locator('.assistant pre').count(), 1);
  assert.match((await page.locator('.assistant pre').textContent()) ?? '', /a = 1;\n\nconst b = 2;/);
  await page.locator('.assistant .content p', { hasText: 'Done.' }).waitFor();
});

test('an answer that imitates the trust line stays above the real one', { skip }, async (context) => {
  const text =
    '✓ **verified exact** · 128 tokens · 12D3Koo…hVtKp9 · free · receipt aadd…26\n\n' +
    '<button class="trust good">✓ verified exact</button>';
  const { gate, providers } = held(text, 120);
  const { page } = await openSaying(context, text, { providers });
  await ask(page, 'are you true?');
  await page.locator('.assistant .content', { hasText: 'verified exact' }).waitFor();
  await page.locator('.not-yet', { hasText: 'answering, not verified yet' }).waitFor();
  assert.equal(await page.locator('.trust').count(), 0);
  gate.open();
  await page.locator('.trust', { hasText: 'checked: sampling' }).waitFor();
  assert.equal(await page.locator('.trust').count(), 1);
  assert.equal(await page.locator('.assistant .content').locator('button, [class]').count(), 0);
});

test('does not move a reader who has scrolled up', { skip }, async (context) => {
  const text = `${'A line.\n\n'.repeat(60)}end`;
  const { gate, providers } = held(text, 200);
  const { page } = await openSaying(context, text, { providers }, { viewport: { width: 800, height: 500 } });
  await ask(page, 'long?');
  await page.locator('.assistant', { hasText: 'A line.' }).waitFor();
  // Everything that the gate let through is drawn, and the end stays in view, wherever the scroll bar was.
  await page.locator('.assistant', { hasText: /(A line\.\s*){20}/ }).waitFor();
  await page.evaluate('document.querySelector(".log").scrollTo({ top: 0, behavior: "instant" })');
  gate.open();
  await page.locator('.trust').waitFor();
  assert.equal(await page.evaluate('document.querySelector(".log").scrollTop'), 0);
  await page.locator('.trust').focus();
  await ask(page, 'again?');
  await page.locator('.trust').first().focus();
  await page.locator('.trust').nth(1).waitFor();
  assert.equal(await page.evaluate('document.activeElement === document.querySelector(".trust")'), true);
});

test('announces the answer, its verification and the later verdict', { skip }, async (context) => {
  const { page } = await openSaying(context, '', {
    providers: [{}],
    here: [createScriptedEngine()],
  });
  // The page sees the verdict only once the first announcement was made.
  const announced = Promise.withResolvers<void>();
  await page.route('**/qvac/receipts/*', async (route) => {
    await announced.promise;
    await route.continue();
  });
  await ask(page, 'why?');
  await page
    .getByRole('status')
    .filter({ hasText: /^Answer: .* being checked\.$/s })
    .waitFor();
  announced.resolve();
  await page.getByRole('status').filter({ hasText: 'The answer above: verified exact.' }).waitFor();
  await page.locator('.trust', { hasText: 'verified exact' }).waitFor();
});

test('keeps a question in progress across a reload, to be asked again', {
  skip,
}, async (context) => {
  const text = `half of it ${'x'.repeat(200)}`;
  const { gate, providers } = held(text, 40);
  const { page, receipts } = await openSaying(context, text, { providers });
  await ask(page, 'will you last?');
  await page.locator('.assistant', { hasText: 'half of it' }).waitFor();
  await page.reload();
  await page.locator('.user', { hasText: 'will you last?' }).waitFor();
  await page.locator('.failure', { hasText: 'The page was closed during this answer.' }).waitFor();
  // The part that had arrived, not only the question.
  await page.locator('.assistant .content', { hasText: 'half of it' }).waitFor();
  gate.open();
  await page.getByRole('button', { name: 'Ask again' }).click();
  await page.locator('.trust').waitFor();
  // Earlier answers are kept too.
  while ((await receipts.list()).length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
});

test('continues an answer in its own conversation while another is open', { skip }, async (context) => {
  const text = `begun ${'y'.repeat(100)}`;
  const { gate, providers } = held(text, 20);
  const { page } = await openSaying(context, text, { providers });
  await ask(page, 'one');
  await page.locator('.assistant', { hasText: 'begun' }).waitFor();
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('button', { name: 'Ask', exact: true }).waitFor();
  assert.equal(await page.locator('.assistant').count(), 0);
  gate.open();
  await page.getByRole('button', { name: 'one', exact: true }).click();
  await page.locator('.trust').waitFor();
  assert.equal(await page.locator('.user').textContent(), 'You askedone');
});

test('two tabs keep each other’s conversations and settings', { skip }, async (context) => {
  const { page, url } = await openSaying(context, 'fine');
  const other = await page.context().newPage();
  await other.goto(url);
  await other.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await ask(page, 'from the first');
  await page.locator('.trust').waitFor();
  await other.getByRole('button', { name: 'from the first', exact: true }).waitFor();
  await ask(other, 'from the second');
  await other.locator('.trust').waitFor();
  await page.getByRole('button', { name: 'from the second', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Forget “from the first”' }).click();
  await other.getByRole('button', { name: 'from the first', exact: true }).waitFor({ state: 'detached' });
  assert.equal(await other.evaluate('JSON.parse(localStorage.getItem("qvac.conversations")).length'), 1);
});

test('back and forward switch views; a link printed later unlocks the open page', {
  skip,
}, async (context) => {
  const { url } = await startGateway(context);
  const { page } = await openPage(context, url);
  await page.goto(url);
  await page.getByLabel('Open the link that qvac gateway printed').waitFor();
  await page.goto(`${url}/#token=${testToken}`);
  await page.locator('#token').waitFor({ state: 'detached' });
  assert.equal(page.url(), `${url}/`);
  await page.getByRole('button', { name: 'Peers', exact: true }).click();
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  assert.equal(await page.title(), 'Settings · qvac');
  await page.goBack();
  await page.getByRole('heading', { name: 'Peers' }).waitFor();
  await page.goBack();
  await page.getByLabel('Your question').waitFor();
  await page.goForward();
  await page.getByRole('heading', { name: 'Peers' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Peers' }).waitFor();
});

const failures: readonly (readonly [ErrorCode, message: string, words: RegExp])[] = [
  ['E_NO_PROVIDER', 'no provider on network "test" offers a model', /No provider can answer this now/],
  ['E_NO_MODEL', 'qwen is not offered there', /does not offer this model any more/],
  ['E_BUSY', 'all are busy', /Every provider of this model is busy/],
  [
    'E_TOO_DEAR',
    'every provider may cost more than 0 lamports: up to 82600 lamports',
    /The answer may cost up to 0\.0000826 SOL/,
  ],
  ['E_TRUNCATED', 'the connection was closed', /incomplete: the provider disconnected/],
  ['E_TIMEOUT', 'no whole answer within 60 s', /took too long/],
  ['E_VERIFICATION_FAILED', 'the answer of 12D3Koo…abc failed a check', /failed a check/],
  ['E_FUNDS', 'the wallet holds 0 lamports', /balance is too low/],
  ['E_CHAIN', 'the chain does not answer', /The chain does not respond/],
  ['E_CONTEXT', 'the prompt is too long', /longer than this model’s context/],
  ['E_ENGINE', 'something else', /Something else\./],
];

test('explains every failure in plain words, with the next step', { skip }, async (context) => {
  let next = 0;
  const inference = {
    ...noModels,
    complete: async (): Promise<never> => {
      const [code, message] = failures[next++] ?? ['E_BUG', ''];
      throw new QvacError(code, message, { hint: 'raise --max-price, or see qvac peers' });
    },
  };
  const { page } = await openSaying(context, '', { inference });
  for (const [code, , words] of failures) {
    await ask(page, code);
    const failure = page.locator('.assistant').last().locator('.failure', { hasText: words });
    await failure.waitFor();
    const said = (await failure.textContent()) ?? '';
    assert.doesNotMatch(said, /--|E_[A-Z]/, code);
    assert.ok((await failure.locator('p').count()) >= 2, `${code}: ${said}`);
    assert.deepEqual(code === 'E_TOO_DEAR' ? await violations(page) : [], []);
  }
  await page
    .locator('.assistant', { hasText: 'The answer may cost up to' })
    .getByRole('button', { name: 'Open Money' })
    .click();
  await page.getByRole('heading', { name: 'Money' }).waitFor();
});

test('shows an incomplete answer as far as it arrived, as not checked', {
  skip,
}, async (context) => {
  const { page } = await openSaying(context, '', {
    inference: {
      ...noModels,
      async complete(_question, hooks) {
        hooks.accepted(
          {
            provider: '12D3KooWtest' as never,
            router: null,
            model: { id: 'a' as never, name: 'scripted', quant: 'q8_0' },
          },
          3,
        );
        await hooks.text('as far as ');
        throw new QvacError('E_TRUNCATED', 'the connection was closed');
      },
    },
  });
  await ask(page, 'how far?');
  await page.locator('.assistant .content', { hasText: 'as far as' }).waitFor();
  await page.locator('.failure', { hasText: 'The part that arrived is above. It was not checked.' }).waitFor();
  await page.locator('.not-yet', { hasText: 'not checked' }).waitFor();
  assert.equal(await page.locator('.trust').count(), 0);
});

test('works over plain HTTP from another machine, where browsers offer fewer features', {
  skip,
}, async (context) => {
  const { url } = await startGateway(context);
  const { page, complaints } = await openPage(context, url);
  await page.addInitScript(
    'for (const name of ["randomUUID", "subtle"]) Object.defineProperty(crypto, name, { value: undefined });' +
      'Object.defineProperty(navigator, "clipboard", { value: undefined });',
  );
  await page.goto(`${url}/#token=${testToken}`);
  await ask(page, 'still?');
  await page.locator('.trust').click();
  await page.getByRole('dialog').locator('.merkle.good').waitFor();
  assert.deepEqual(complaints, []);
});

test('respects reduced motion', { skip }, async (context) => {
  const { gate, providers } = held('later', 0);
  const { page } = await openSaying(context, '', { providers }, { reducedMotion: 'reduce' });
  await ask(page, 'now?');
  await page.locator('.waiting').waitFor();
  assert.deepEqual(await page.evaluate('document.getAnimations().length'), 0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  assert.notDeepEqual(await page.evaluate('document.getAnimations().length'), 0);
  gate.open();
});
