import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { createGrammarMatcher } from '../../../src/proofs/grammar/grammar-matcher.ts';
import { createTranscript, type TranscriptInit } from '../../../src/proofs/transcript.ts';
import { grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { grammarOfRegex } from '../../../src/protocol/grammar/compile/regex.ts';
import type { GrammarRules } from '../../../src/protocol/grammar/rules.ts';
import { type FaultCode, finish } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { unmasked, without } from '../../support/cheats/engines.ts';
import { lying, masking, oneCandidate } from '../../support/cheats/transcripts.ts';
import { fitsSchema } from '../../support/json-schema.ts';
import { startProvider, type TestProviderInit, testSampler } from '../../support/market.ts';
import { createScriptedEngine, scriptedStop, scriptedVocab } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 200 };
const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    kind: { enum: ['person', 'animal'] },
  },
  required: ['name', 'age', 'kind'],
};
const rules = grammarOfJsonSchema(schema);

test('an answer under a grammar is a text of it, and every bit is recomputed', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const seeds = Array.from({ length: 5 }, (_, at) => new Uint8Array(32).fill(at));
  for (const seed of seeds) {
    const answer = await asker.ask({ sampler, seed, extra: { rules } });
    assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact'], answer.why ?? '');
    assert.equal(answer.finish, finish.stopToken);
    assert.ok(fitsSchema(JSON.parse(answer.text), schema), answer.text);
  }
  assert.deepEqual(provider.model().can, ['grammar']);
});

test('an answer goes on under the grammar of its beginning', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  const whole = await asker.ask({ sampler, extra: { rules } });
  const receipt = asker.receipts.get(whole.receipt ?? ('' as never)) ?? assert.fail();
  const begun = receipt.tokens.slice(0, 20);
  const input = { ...(receipt.input ?? assert.fail()), continuation: begun };
  const rest = await asker.ask({ sampler, input, extra: { rules } });
  assert.deepEqual([rest.verification.result, rest.verification.tier], ['pass', 'exact'], rest.why ?? '');
  assert.equal(Buffer.from(begun).toString() + rest.text, whole.text);
});

test('without the bytes of the tokens, a client says that the grammar was not checked', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const { verification, why, text } = await asker.ask({ sampler, extra: { rules } });
  assert.equal(verification.result, 'inconclusive');
  assert.match(why ?? '', /grammar was not checked .*needs the bytes of the tokens/);
  assert.ok(fitsSchema(JSON.parse(text), schema), text);
});

test('without them no referee is asked, or paid, for numbers that could not be compared', async (context) => {
  const providers = [await startProvider(context), await startProvider(context)];
  const asker = await startAsker(context, { providers });
  const { verification, referees } = await asker.ask({ sampler, extra: { rules }, referees: 1 });
  assert.deepEqual([verification.result, referees, asker.receipts.size], ['inconclusive', [], 1]);
});

test('an answer ends where its grammar allows nothing more', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  // No model has that token.
  const beyond = scriptedVocab + 5;
  const answer = await asker.ask({
    sampler,
    extra: {
      rules: [
        [
          [
            [0x61, 0x61],
            [0x62, 0x62],
            ['t', beyond],
          ],
        ],
      ],
    },
  });
  assert.deepEqual([answer.text, answer.finish, answer.verification.result], ['ab', finish.stopText, 'pass']);
});

test('a provider that refuses a grammar as too costly keeps its good name', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const bomb: GrammarRules = [
    ...Array.from({ length: 2_500 }, (_, at) => [[at + 1], [at + 1, [0x61, 0x61]]]),
    [[[0x61, 0x61]]],
  ];
  await assert.rejects(
    asker.ask({ sampler, extra: { rules: bomb } }),
    (error) => error instanceof QvacError && error.code === 'E_BAD_INPUT' && /costs too much/.test(error.message),
  );
  assert.deepEqual(asker.reputation.standing(provider.peer.id).usable, true);
  assert.equal(provider.engine.slots.used, 0);
});

/** A cheat, checked by a client that has the model. */
async function assertCaught(
  context: TestContext,
  init: TestProviderInit,
  fault: FaultCode,
  asked: GrammarRules = rules,
): Promise<void> {
  const provider = await startProvider(context, init);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  // Every step is opened: which ones a challenge draws does not matter.
  const answer = await asker.ask({ sampler, seed: new Uint8Array(32).fill(1), count: 256, extra: { rules: asked } });
  assert.deepEqual([answer.verification.result, answer.verification.faults], ['fail', [fault]], answer.why ?? '');
  assert.ok(!asker.reputation.standing(provider.peer.id).usable);
  // Whoever has the bytes of the tokens finds the same in the receipt, without the model.
  const receipt = asker.receipts.get(answer.receipt ?? ('' as never)) ?? assert.fail();
  if (fault !== 'exact-mismatch')
    assert.deepEqual(assess(receipt, { vocabulary: provider.engine.tokenizer.vocabulary }).faults, [fault]);
}

/** Draws under other rules than those of the offer; under none at all if they are null. */
function under(other: GrammarRules | null): TestProviderInit {
  const engine = createScriptedEngine();
  const { vocabulary } = engine.tokenizer;
  const matcherOf = ({ offer }: TranscriptInit) =>
    other && createGrammarMatcher({ rules: other, vocabulary, stops: offer.sampler.stops });
  return {
    engine: unmasked(engine),
    createTranscript: (init) => masking(createTranscript({ ...init, matcher: matcherOf(init) }), matcherOf(init)),
  };
}

test('a provider that ignores the grammar: mask-break', (context) => assertCaught(context, under(null), 'mask-break'));

test('a provider that follows another grammar: mask-break', (context) =>
  assertCaught(context, under(grammarOfRegex('\\{"name": ?"[a-z ]{3,30}"')), 'mask-break'));

test('a provider that follows a narrower grammar: mask-break', async (context) => {
  const narrower = { ...schema, properties: { ...schema.properties, name: { type: 'string', pattern: '^[a-m]{5}$' } } };
  await assertCaught(context, under(grammarOfJsonSchema(narrower)), 'mask-break');
});

test('a provider that claims a mask of one candidate a step: mask-break', (context) =>
  assertCaught(
    context,
    {
      // Its own text, token by token, as if nothing else had been allowed.
      createTranscript: (init) =>
        oneCandidate(init, [...Buffer.from('{"name":"me","age":7,"kind":"person"}'), scriptedStop]),
    },
    'mask-break',
  ));

test('a provider that ends the answer early: bad-length', (context) =>
  assertCaught(
    context,
    {
      createTranscript: lying((honest) => ({
        next(top) {
          const drawn = honest.next(top);
          return honest.n === 10 ? { ...drawn, finish: finish.stopText } : drawn;
        },
      })),
    },
    'bad-length',
  ));

test('a provider that stops inside a text: mask-break', (context) =>
  assertCaught(context, under(grammarOfRegex('\\{"name":"[a-z]{2}"')), 'mask-break'));

test('a provider that leaves out an allowed token that it does not like: exact-mismatch', (context) =>
  assertCaught(
    context,
    { engine: without(createScriptedEngine(), Buffer.from('"')[0] ?? 0) },
    'exact-mismatch',
    grammarOfRegex('["a-z ]{100}'),
  ));
