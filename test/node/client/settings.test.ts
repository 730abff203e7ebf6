import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { AnswerExtra } from '../../../src/node/job/answer-extra.ts';
import { encodeExtra } from '../../../src/protocol/messages/extra.ts';
import { finish } from '../../../src/protocol/messages.ts';
import { decodeExtra } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { createDictatedEngine } from '../../support/dictated-engine.ts';
import { startProvider, testSampler } from '../../support/market.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine, scriptedVocab } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 30 };
/** Bytes are tokens here. */
const letter = (text: string): number => text.charCodeAt(0);

test('an answer follows its settings, directly and through a router, and is exact at every token', async (context) => {
  const provider = await startProvider(context);
  const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const ways = [null, { target: router.address, optional: false }] as const;
  const extras: readonly AnswerExtra[] = [
    {},
    { presence: 2048, frequency: 1024 },
    { bias: [[letter('z'), 20_480]] },
    { markers: true },
  ];
  const texts: string[][] = [];
  for (const via of ways) {
    const answers: string[] = [];
    for (const extra of extras) {
      const answer = await asker.ask({ model: 'scripted', sampler, extra, router: via });
      assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact'], answer.why ?? '');
      const receipt = asker.receipts.get(answer.receipt ?? ('' as never));
      assert.deepEqual(decodeExtra(receipt?.extra ?? new Uint8Array(), scriptedVocab), extra);
      answers.push(answer.text);
    }
    texts.push(answers);
  }
  assert.deepEqual(texts[0], texts[1]);
  const [plain = '', penalised = '', biased = ''] = texts[0] ?? [];
  const distinct = (text: string): number => new Set(text).size;
  assert.ok(distinct(penalised) > distinct(plain), `${penalised} against ${plain}`);
  assert.equal(biased.replaceAll('z', '').length < plain.replaceAll('z', '').length, true);
});

test('a token biased by −100 nats is never drawn', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const banned = [...'abcdefgh'];
  const ask = (bias: AnswerExtra['bias']) =>
    asker.ask({ sampler: { ...sampler, maxTokens: 120 }, extra: bias === undefined ? {} : { bias } });
  const free = await ask(undefined);
  assert.ok(banned.some((each) => free.text.includes(each)));
  const { text, verification } = await ask(banned.map((each) => [letter(each), -102_400] as const));
  assert.equal(verification.result, 'pass');
  assert.ok(!banned.some((each) => text.includes(each)), text);
});

test('the answer ends with the token that completes a stop text, and is paid up to it', async (context) => {
  const provider = await startProvider(context, { engine: createDictatedEngine(`one two three ${'x'.repeat(500)}`) });
  const asker = await startAsker(context, { providers: [provider] });
  const answer = await asker.ask({
    sampler: { ...sampler, maxTokens: 600 },
    extra: { stopTexts: ['three', 'never', 'three'] },
  });
  assert.equal(answer.text, 'one two three');
  assert.equal(answer.tokens, 'one two three'.length);
  assert.equal(answer.finish, finish.stopText);
  assert.equal(answer.verification.result, 'pass');
});

test('up to 256 steps are opened where they are asked for', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const { verification } = await asker.ask({ sampler, count: 30 });
  assert.equal(verification.count, 30);
});

test('settings that every provider must refuse are refused before anything is sent', async (context) => {
  const provider = await startProvider(context);
  const router = await startRouter(context, { providers: [provider] });
  const asker = await startAsker(context, { providers: [provider] });
  const isBadInput = (error: unknown): boolean => error instanceof QvacError && error.code === 'E_BAD_INPUT';
  for (const extra of [
    { bias: [[scriptedVocab, 5]] },
    { bias: Array.from({ length: 301 }, (_, id) => [id, 5] as const) },
    { presence: 2049 },
    { stopTexts: Array.from({ length: 33 }, (_, at) => `stop ${at}`) },
    { stopTexts: [''] },
  ] satisfies readonly AnswerExtra[])
    await assert.rejects(asker.ask({ extra: extra as AnswerExtra }), isBadInput, JSON.stringify(extra).slice(0, 60));
  const via = { target: router.address, optional: false };
  await assert.rejects(
    asker.ask({ model: 'scripted', router: via, extra: { bias: [[scriptedVocab, 5]] } }),
    isBadInput,
  );
  assert.equal(provider.receipts.size, 0);
  assert.ok(asker.reputation.standing(provider.peer.id).usable);
});

test('a provider refuses more settings than anyone needs', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const texts = Array.from({ length: 32 }, (_, at) => `${at}`.padEnd(4_000, 'x'));
  assert.ok(encodeExtra({ stopTexts: texts.toSorted() }).length > 64 * 1024);
  await assert.rejects(asker.ask({ extra: { stopTexts: texts } }), /bytes/);
});
