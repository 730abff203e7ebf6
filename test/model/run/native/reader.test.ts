import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type NativeInternals, openReader } from '../../../../src/model/run/native/internals.ts';

/** What a sampler was told to read. */
interface Told {
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
  topK?: number;
}

/** Gives as a logit of each token that is not banned its own number; and what samplers there were. */
function countingInternals(vocab: number) {
  const told: Told[] = [];
  const disposed: number[] = [];
  let configured = 0;
  let reading = 0;
  const internals: NativeInternals = {
    decode: () => Promise.reject(new Error('not used')),
    createSampler() {
      const at = told.push({}) - 1;
      return {
        applyConfig(config: Told) {
          configured++;
          told[at] = config;
        },
        dispose: () => void disposed.push(at),
        at,
      };
    },
    async sample(_batchIndex, sampler) {
      assert.equal(reading++, 0, 'two reads at once');
      await Promise.resolve();
      reading--;
      const { at } = sampler as unknown as { readonly at: number };
      assert.ok(!disposed.includes(at));
      const { tokenBiasKeys: banned = new Uint32Array(), tokenBiasValues: by, topK = 0 } = told[at] ?? {};
      if (by !== undefined) assert.deepEqual([by.length, by[0]], [banned.length, Number.NEGATIVE_INFINITY]);
      const left: number[] = [];
      let last = banned.length - 1;
      for (let id = vocab - 1; left.length < topK; id--)
        if (banned[last] === id) last--;
        else left.push(id);
      return left.flatMap((id) => [id, id]);
    },
  };
  return { internals, disposed, counts: () => ({ samplers: told.length, configured }) };
}

it('some tokens are read alone, by a sampler that is told once; the one used longest ago gives way', async () => {
  // So many tokens that two samplers are kept.
  const vocab = 1 << 20;
  const { internals, disposed, counts } = countingInternals(vocab);
  const reader = openReader(vocab);
  const read = async (...only: readonly number[]): Promise<void> =>
    assert.deepEqual([...(await reader.read(internals, 0, only.length, only)).keys()], [...only].reverse());
  await read(3, 9);
  await read(7);
  await read(3, 9);
  assert.deepEqual(counts(), { samplers: 3, configured: 2 });
  await read(1, 2, 5);
  assert.deepEqual(disposed.length, 1);
  await read(3, 9);
  assert.equal(counts().configured, 3);
  await read(7);
  assert.deepEqual([counts().configured, disposed.length], [4, 2]);
  assert.deepEqual([...(await reader.read(internals, 0, 2, null)).keys()], [vocab - 1, vocab - 2]);
  await Promise.all([read(3, 9), read(4), reader.read(internals, 1, 1, null)]);
  reader.dispose();
  assert.equal(disposed.length, counts().samplers);
});
