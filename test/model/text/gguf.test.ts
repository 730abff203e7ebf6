import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { QvacError } from '../../../src/errors.ts';
import { describeGguf, numberOf, readGguf, textsOf } from '../../../src/model/text/gguf.ts';
import { writeTiny } from '../../support/models/tiny.ts';
import { tinyModel } from '../../support/models.ts';

describe('the header of a GGUF file', () => {
  let dir = '';
  let whole: Buffer = Buffer.alloc(0);
  let headerBytes = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qvac-gguf-'));
    whole = await readFile((await tinyModel()).path);
    headerBytes = whole.indexOf('blk.1.attn_k_norm.weight') + 64;
  });
  after(() => rm(dir, { recursive: true }));

  async function readBytes(bytes: Uint8Array): Promise<Awaited<ReturnType<typeof readGguf>>> {
    const path = join(dir, 'file.gguf');
    await writeFile(path, bytes);
    return await readGguf(path);
  }

  it('describes the model', async () => {
    const header = await readBytes(whole);
    assert.deepEqual(describeGguf(header), { arch: 'qwen3', quant: 'f16', name: 'tiny-random' });
    assert.equal(numberOf(header, 'qwen3.context_length'), 4096);
    assert.equal(textsOf(header, 'tokenizer.ggml.tokens')?.length, 512);
  });

  it('falls back to the file name if the metadata has no name', async () => {
    const header = await readBytes(whole);
    const nameless = { ...header, path: '/x/My Model_Q8.GGUF', metadata: new Map([['general.architecture', 'llama']]) };
    assert.deepEqual(describeGguf(nameless), { arch: 'llama', quant: 'unknown', name: 'my-model-q8' });
  });

  it('refuses a file that is not GGUF, in one line', async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('GGU'),
      Buffer.from('hello world\n'.repeat(1000)),
      Buffer.from('GGUF\x09\x00\x00\x00'),
    ]) {
      await assert.rejects(
        readBytes(bytes),
        (error) => error instanceof QvacError && error.code === 'E_MODEL' && !error.message.includes('\n'),
      );
    }
    await assert.rejects(readGguf(join(dir, 'missing.gguf')), { code: 'E_MODEL', message: /no such file/ });
    await assert.rejects(readGguf(dir), { code: 'E_MODEL' });
  });

  it('refuses a file that was cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        await assert.rejects(readBytes(whole.subarray(0, length)), { code: 'E_MODEL' });
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('refuses a file without its last byte', async () => {
    const end = lastByteOfData(whole);
    await readBytes(whole.subarray(0, end));
    await assert.rejects(readBytes(whole.subarray(0, end - 1)), { code: 'E_MODEL', message: /cut short/ });
  });

  it('throws no error but its own for any damage of the header', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: headerBytes }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        async (changes) => {
          const damaged = Buffer.from(whole);
          for (const [at, byte] of changes) damaged[at] = byte;
          await readBytes(damaged).catch((error: unknown) => assert.ok(error instanceof QvacError, String(error)));
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  it('refuses sizes at which the native loader would end the process', async () => {
    for (const [key, values] of Object.entries({
      'qwen3.block_count': [0, 513, 0xffffffff],
      'qwen3.embedding_length': [0],
      'qwen3.feed_forward_length': [0],
      'qwen3.context_length': [0],
      'qwen3.attention.head_count': [0, 0x10000],
      'qwen3.attention.head_count_kv': [0, 0x80000000],
      'qwen3.attention.key_length': [0, 0xffffffff],
      'qwen3.attention.value_length': [0, 0x80000000],
      // Not a number, and −1, as float32.
      'qwen3.attention.layer_norm_rms_epsilon': [0x7fffffff, 0xbf800000],
    })) {
      for (const value of values) {
        const damaged = Buffer.from(whole);
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(key.length));
        damaged.writeUInt32LE(value, whole.indexOf(Buffer.concat([length, Buffer.from(key)])) + 8 + key.length + 4);
        await assert.rejects(readBytes(damaged), { code: 'E_MODEL', message: new RegExp(key) }, `${key} ${value}`);
      }
    }
    for (const name of ['attention.head_count', 'feed_forward_length']) {
      const nameless = Buffer.from(whole);
      nameless.write('x', whole.indexOf(`qwen3.${name}`));
      await assert.rejects(readBytes(nameless), { code: 'E_MODEL', message: new RegExp(name) });
    }
  });

  it('refuses further values at which the native loader would end the process', async () => {
    const path = join(dir, 'further.gguf');
    const numbers = {
      'qwen3.expert_count': 8,
      'qwen3.expert_used_count': 8,
      'qwen3.nextn_predict_layers': 2,
      'qwen3.pooling_type': 0,
      'split.xount': 1,
      'qwen3.rope.scaling.xype': 1,
    };
    await writeTiny(path, { numbers });
    const further = await readFile(path);
    await readBytes(further);
    for (const [key, values] of Object.entries({
      'qwen3.expert_count': [0, 7, 513],
      'qwen3.expert_used_count': [0, 9],
      'qwen3.nextn_predict_layers': [3],
      'qwen3.pooling_type': [5, 0xffffffff],
      // A number of 32 bits, where the loader reads 16, and one for a name.
      'split.xount': [1],
      'qwen3.rope.scaling.xype': [1],
    })) {
      for (const value of values) {
        const damaged = Buffer.from(further);
        const at = damaged.indexOf(key);
        const named = key.replace('xount', 'count').replace('xype', 'type');
        damaged.write(named, at);
        damaged.writeUInt32LE(value, at + key.length + 4);
        await assert.rejects(readBytes(damaged), { code: 'E_MODEL', message: /expert|nextn|pooling|split|scaling/ });
      }
    }
  });

  it('trusts no count', async () => {
    for (const at of [8, 16]) {
      const huge = Buffer.from(whole);
      huge.writeBigUInt64LE(2n ** 63n, at);
      await assert.rejects(readBytes(huge), { code: 'E_MODEL' });
    }
  });
});

/** The last tensor of the tiny file is a float32 vector of 64 and padding follows nothing. */
function lastByteOfData(whole: Buffer): number {
  return whole.length - ((64 * 4) % 32);
}
