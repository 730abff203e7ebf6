import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openTokenizer } from '../../../src/model/llama.ts';
import { withoutLongRuns } from '../../../src/model/text/long-runs.ts';
import { raw } from '../../support/models/inputs.ts';
import { type TestModel, tinyModel, writeTestModel } from '../../support/models.ts';

const context = 32_768;
const open = ({ path, id }: TestModel) => openTokenizer({ modelPath: path, modelId: id });

/** Whether a file's tokenizer takes the text. */
function isTaken(pre: string | undefined, text: string, family = 'gpt2'): boolean {
  const metadata = new Map([
    ['tokenizer.ggml.model', family],
    ...(pre === undefined ? [] : [['tokenizer.ggml.pre', pre] as const]),
  ]);
  const vocabulary = { tokenize: () => [1], isStop: () => false };
  try {
    return withoutLongRuns(vocabulary, { path: 'a.gguf', metadata, tensorCount: 0 }).tokenize(text).length > 0;
  } catch (error) {
    assert.equal((error as { readonly code?: string }).code, 'E_CONTEXT');
    return false;
  }
}
const run = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);

describe('a text that a pre-tokenizer takes in one go', () => {
  // The engine ends the process at each of these texts.
  it('is refused beyond 8,192 characters, and splits at another kind of character', async () => {
    const tokenizer = await open(await writeTestModel('tiny-gpt-4o', { pre: 'gpt-4o', context }));
    for (const [unit, other] of Object.entries({ a: '0', 中: ' ', '!\n': '0', ' ': '0' })) {
      const refusal = {
        code: 'E_CONTEXT',
        message: 'a text has more than 8192 characters that the engine cannot split',
      };
      assert.throws(() => tokenizer.encodePrompt(raw(run(unit, 40_000))), refusal, unit);
      const text = run(run(unit, 8_192) + other, 40_000);
      assert.equal(tokenizer.decode(tokenizer.encodePrompt(raw(text)).tokens), text, unit);
    }
    await tokenizer.dispose();
  });

  it('has any length if the engine splits it by a loop', async () => {
    const tokenizer = await open(await tinyModel({ context }));
    for (const unit of ['a', '中', '1', ' ', '!\n'])
      assert.equal(tokenizer.decode(tokenizer.encodePrompt(raw(run(unit, 40_000))).tokens), run(unit, 40_000));
    await tokenizer.dispose();
  });

  it('is what the rule of each pre-tokenizer calls a run', () => {
    for (const unit of ['a', 'aé', '1', '.,', '/\n', ' \u3000', 'あ・！']) {
      assert.equal(isTaken('tekken', run(unit, 8_192)), true, unit);
      assert.equal(isTaken('tekken', run(unit, 8_193)), false, unit);
      assert.equal(isTaken('of another release', run(unit, 8_193)), false, unit);
      assert.equal(isTaken(undefined, run(unit, 8_193)), false, unit);
      assert.equal(isTaken('llama-bpe', run(unit, 8_193)), true, unit);
      assert.equal(isTaken(undefined, run(unit, 8_193), 'llama'), true, unit);
    }
    assert.equal(isTaken('tekken', run('{"a":1},', 100_000)), true);
    assert.equal(isTaken('bloom', run('{"a":1},', 8_193)), false);
    assert.equal(isTaken('bloom', run('a word ', 100_000)), true);
    assert.equal(isTaken('exaone-moe', run('a word ', 8_193)), false);
    assert.equal(isTaken('exaone-moe', run('a line\n', 100_000)), true);
    assert.equal(isTaken('superbpe', run('1', 129)), false);
    assert.equal(isTaken('superbpe', run(`${run('1', 128)} `, 100_000)), true);
  });
});
