import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getLlama, type Token } from 'node-llama-cpp';
import { QvacError } from '../../../src/errors.ts';
import { type GgufHeader, type GgufValue, readGguf } from '../../../src/model/text/gguf.ts';
import { readTokenTable } from '../../../src/model/text/token-bytes.ts';
import { testModel } from '../../support/models.ts';

function headerOf(values: Record<string, GgufValue>): GgufHeader {
  return { path: '/x/model.gguf', tensorCount: 0, metadata: new Map(Object.entries(values)) };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

describe('the bytes of a token', () => {
  it('undoes the stand-ins of byte-level BPE', () => {
    const table = readTokenTable(
      headerOf({
        'tokenizer.ggml.model': 'gpt2',
        'tokenizer.ggml.tokens': ['Ġhello', 'Ċ', 'Ã©', 'ðŁĺ', '<|end|>', '<think>', 'Ń'],
        'tokenizer.ggml.token_type': [1, 1, 1, 1, 3, 4, 1],
      }),
    );
    assert.deepEqual(
      [0, 1, 2].map((token) => text(table.bytesOf(token))),
      [' hello', '\n', 'é'],
    );
    assert.deepEqual([...table.bytesOf(3)], [0xf0, 0x9f, 0x98]);
    assert.equal(table.bytesOf(4).length, 0);
    assert.equal(text(table.bytesOf(5)), '<think>');
    assert.deepEqual([...table.bytesOf(6)], [0xad]);
    assert.equal(table.bytesOf(7).length, 0);
  });

  it('reads SentencePiece: ▁ is a space, <0xAB> a byte', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    const table = readTokenTable(
      headerOf({
        'tokenizer.ggml.model': 'llama',
        'tokenizer.ggml.tokens': [...bytes, '<unk>', '<s>', '▁the', 'é', 'unused', '<user>'],
        'tokenizer.ggml.token_type': [...bytes.map(() => 6), 2, 3, 1, 1, 5, 4],
      }),
    );
    assert.deepEqual(
      [0x0a, 256, 257, 258, 259, 260, 261].map((token) => text(table.bytesOf(token))),
      ['\n', '', '', ' the', 'é', '', '<user>'],
    );
    assert.deepEqual([...table.bytesOf(0xe2)], [0xe2]);
  });

  it('refuses a SentencePiece vocabulary that cannot write a byte, but takes an ASCII character for its byte', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    const tableOf = (tokens: readonly string[]): unknown =>
      readTokenTable(headerOf({ 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': tokens }));
    const without = (name: string): readonly string[] => bytes.filter((token) => token !== name);
    assert.throws(() => tableOf(without('<0xF0>')), { code: 'E_MODEL', message: /<0xF0>/ });
    assert.throws(() => tableOf(without('<0x41>')), { code: 'E_MODEL', message: /<0x41>/ });
    assert.ok(tableOf([...without('<0x41>'), 'A']));
  });

  it('refuses other families and broken vocabularies', () => {
    for (const values of [
      { 'tokenizer.ggml.model': 'rwkv', 'tokenizer.ggml.tokens': ['a'] },
      { 'tokenizer.ggml.model': 'gpt2' },
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['a', 'b'], 'tokenizer.ggml.token_type': [1] },
      { 'tokenizer.ggml.tokens': ['a'] },
      // The engine ends the process at these two.
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['a', 'b', 'a'] },
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['[EMPTY_1]', ''] },
    ] as Record<string, GgufValue>[]) {
      assert.throws(
        () => readTokenTable(headerOf(values)),
        (error) => error instanceof QvacError && error.code === 'E_MODEL',
      );
    }
  });

  it('agrees with the engine on every token of SmolLM2', async () => {
    const { path } = await testModel('q4_1');
    const table = readTokenTable(await readGguf(path));
    const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logger: () => undefined });
    const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
    try {
      const differing: number[] = [];
      for (let token = 0; token < table.size; token++)
        if (model.detokenize([token as Token]) !== text(table.bytesOf(token))) differing.push(token);
      assert.deepEqual(differing, []);
      assert.equal(table.size, 49_152);
    } finally {
      await model.dispose();
    }
  });
});
