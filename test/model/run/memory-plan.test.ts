import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineInit } from '../../../src/model/engine.ts';
import {
  hasTokensOnly,
  isCuttable,
  type MemoryFacts,
  memoryPlans,
  tokenBytesOf,
} from '../../../src/model/run/memory-plan.ts';
import type { GgufHeader, GgufValue } from '../../../src/model/text/gguf.ts';

const mib = 1 << 20;

/** The plans as `context × slots`, of a model whose tokens take 64 KiB each. */
function plans(init: Pick<EngineInit, 'context' | 'slots'>, freeMib: number, trainedContext = 131_072): string[] {
  const facts: MemoryFacts = { tokenBytes: 65_536, freeBytes: freeMib * mib, trainedContext, isCuttable: true };
  return memoryPlans(init, facts).map(({ context, slots }) => `${context} × ${slots}`);
}

/** A file's header with these values. */
const header = (values: Readonly<Record<string, GgufValue>>): GgufHeader => ({
  path: '',
  tensorCount: 0,
  metadata: new Map(Object.entries({ 'general.architecture': 'x', ...values })),
});

describe('the memory for histories', () => {
  it('gives four slots of 32,768 tokens where half of what is free suffices', () => {
    assert.equal(plans({ slots: 'auto' }, 16_384)[0], '32768 × 4');
    assert.equal(plans({ slots: 'auto' }, 16_383)[0], '16384 × 4');
  });

  it('gives up a long context before slots, and slots before the usual context', () => {
    assert.deepEqual(plans({ slots: 'auto' }, 1 << 20), [
      '32768 × 4',
      '16384 × 4',
      '8192 × 4',
      '8192 × 2',
      '8192 × 1',
      '4096 × 1',
      '2048 × 1',
    ]);
    assert.equal(plans({ slots: 'auto' }, 2_048)[0], '8192 × 2');
    assert.deepEqual(plans({ slots: 'auto' }, 0), ['2048 × 1']);
  });

  it('gives up a second slot for checks before any of the context', () => {
    assert.deepEqual(plans({ slots: { upTo: 2 } }, 1 << 20).slice(0, 4), [
      '32768 × 2',
      '32768 × 1',
      '16384 × 2',
      '16384 × 1',
    ]);
    assert.equal(plans({ slots: { upTo: 2 } }, 4_096)[0], '32768 × 1');
  });

  it('keeps to what is named, and to what the model was trained for', () => {
    assert.deepEqual(plans({ slots: 'auto', context: 50_000 }, 1 << 20), ['50000 × 4', '50000 × 2', '50000 × 1']);
    assert.deepEqual(plans({ slots: 3, context: 512 }, 0), ['512 × 3']);
    assert.deepEqual(plans({ slots: 2 }, 1 << 20, 4_096), ['4096 × 2', '2048 × 2']);
    assert.deepEqual(plans({}, 1 << 20, 1_024), ['1024 × 1']);
  });

  it('counts the bytes of a token from the file', () => {
    const shape = { 'x.block_count': 30, 'x.embedding_length': 576, 'x.attention.head_count': 9 };
    // SmolLM2-135M: 22.5 KiB.
    assert.equal(tokenBytesOf(header({ ...shape, 'x.attention.head_count_kv': 3 })), 23_040);
    assert.equal(tokenBytesOf(header({ ...shape, 'x.attention.head_count_kv': [3, 0, 1] })), 1_024);
    assert.equal(
      tokenBytesOf(header({ ...shape, 'x.attention.key_length': 100, 'x.attention.value_length': 50 })),
      2 * 30 * 9 * 150,
    );
    assert.equal(tokenBytesOf(header({})), 0);
  });

  it('keeps four prompts, or as many as a quarter of what is free holds, but one for each slot', () => {
    const kept = (freeMib: number, init: Pick<EngineInit, 'keepPrompts'> = { keepPrompts: 'auto' }, cuttable = true) =>
      memoryPlans(
        { slots: 2, context: 1_024, ...init },
        { tokenBytes: 65_536, freeBytes: freeMib * mib, trainedContext: 1_024, isCuttable: cuttable },
      )[0]?.maxKept;
    // 64 MiB a prompt.
    assert.deepEqual([kept(4_096), kept(768), kept(0)], [4, 3, 2]);
    assert.deepEqual([kept(4_096, {}), kept(4_096, { keepPrompts: 2 }), kept(0, { keepPrompts: 20 })], [0, 2, 20]);
    assert.deepEqual([kept(4_096, { keepPrompts: 20 }, false), kept(4_096, undefined, false)], [0, 0]);
  });

  it('keeps no prompts of a model that looks back over a window or keeps a state', () => {
    for (const key of [
      'x.attention.sliding_window',
      'x.ssm.state_size',
      'x.wkv.head_size',
      'x.shortconv.l_cache',
      'x.attention.chunk_size',
    ]) {
      assert.deepEqual([isCuttable(header({ [key]: 512 })), isCuttable(header({ [key]: 0 }))], [false, true], key);
      // A window loses its first tokens, and can lose its last; a state can lose none.
      assert.equal(hasTokensOnly(header({ [key]: 512 })), key.startsWith('x.attention'), key);
    }
    assert.ok(isCuttable(header({ 'x.attention.head_count': 9, 'tokenizer.chat_template': 'sliding_window' })));
  });
});
