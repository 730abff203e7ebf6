import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../../src/model/engine.ts';
import { openEngine } from '../../../src/model/llama.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import { grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { finish } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { isBeginning } from '../../support/grammars.ts';
import { fitsSchema } from '../../support/json-schema.ts';
import { startProvider } from '../../support/market.ts';
import { chat } from '../../support/models/inputs.ts';
import { type TestModel, testModel, tinyModel } from '../../support/models.ts';

const patience = { timeout: 600_000 };

async function open(context: TestContext, { path, id }: TestModel): Promise<Engine> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-engine-'));
  const engine = await openEngine({ modelPath: path, modelId: id, context: 1_024, threads: 1, gpu: 'off', cacheDir });
  context.after(async () => {
    await engine.dispose();
    await rm(cacheDir, { recursive: true, force: true });
  });
  return engine;
}

test(
  'a model of 135M answers in the form of a schema over a real network, verified bit for bit',
  patience,
  async (context) => {
    const model = await testModel('q8_0');
    const provider = await startProvider(context, { engine: await open(context, model) });
    const asker = await startAsker(context, { providers: [provider], engines: [await open(context, model)] });
    const schema = {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 20 },
        born: { type: 'integer', minimum: 1800, maximum: 2000 },
        fields: { type: 'array', items: { type: 'string', maxLength: 16 }, minItems: 1, maxItems: 3 },
        kind: { enum: ['person', 'animal', 'thing'] },
      },
      required: ['name', 'born', 'fields', 'kind'],
    };
    const {
      text,
      verification,
      why,
      finish: reason,
    } = await asker.ask({
      input: chat('Who was Ada Lovelace? Answer in JSON.'),
      seed: seedOfNumber(7n),
      sampler: { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: 400 },
      extra: { rules: grammarOfJsonSchema(schema) },
      timeoutMs: 300_000,
    });
    assert.deepEqual([verification.result, verification.tier], ['pass', 'exact'], why ?? '');
    assert.equal(reason, finish.stopToken);
    assert.ok(fitsSchema(JSON.parse(text), schema), text);
  },
);

test('random weights end in a text of the schema, whatever it is', patience, async (context) => {
  const provider = await startProvider(context, { engine: await open(context, await tinyModel()) });
  const asker = await startAsker(context, { providers: [provider] });
  const schemas: readonly object[] = [
    { type: 'array', items: { type: 'integer', minimum: -5, maximum: 1200 }, minItems: 2, maxItems: 4 },
    { type: 'object', properties: { a: { type: 'string', maxLength: 5 }, b: { const: null } }, required: ['a', 'b'] },
    {
      anyOf: [
        { type: 'string', pattern: '^[äöü€🙂]{1,4}$' },
        { type: 'string', format: 'date-time' },
      ],
    },
    { type: 'object', properties: { x: { type: 'number', exclusiveMinimum: 0, maximum: 0.25 } }, required: ['x'] },
    { enum: ['ünder', 'über', 'uber', { deep: [[], {}] }] },
  ];
  let ended = 0;
  for (const [at, schema] of schemas.entries()) {
    const rules = grammarOfJsonSchema(schema);
    const { text, finish: reason } = await asker.ask({
      input: chat('?'),
      seed: seedOfNumber(BigInt(at)),
      sampler: { temperature: 100, minP: 0, topP: 100, topK: 20, maxTokens: 500 },
      extra: { rules },
      verify: 'none',
      timeoutMs: 300_000,
    });
    // White space may fill an answer up to its length, which may be within a character.
    assert.ok(isBeginning(rules, text.replace(/\ufffd$/, '')), text);
    if (reason === finish.length) continue;
    ended++;
    assert.ok(fitsSchema(JSON.parse(text), schema), text);
  }
  assert.ok(ended > 0);
});
