import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import type { ModelId } from '../../src/lib/types.ts';
import { encodeCbor } from '../../src/protocol/codec.ts';
import {
  execClassOf,
  inputDigestOf,
  modelIdHex,
  seedOfNumber,
  shardsModelId,
  tag,
  vocabDigestOf,
} from '../../src/protocol/digests.ts';
import { kadProtocol, mdnsTag, modelKey, nameKey, nameQuantKey, roleKey } from '../../src/protocol/discovery-keys.ts';
import type { Exec } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly tags: Readonly<Record<string, string>>;
  readonly input: readonly { modelId: string; promptTokens: number[]; inputDigest: string }[];
  readonly exec: readonly { exec: Exec; cbor: string; execClass: string }[];
  readonly shards: readonly { files: string[]; modelId: string }[];
  readonly vocab: readonly { bytes: string[]; vocabDigest: string }[];
  readonly discovery: readonly { key: string; cid: string }[];
}

const vectors = readVectors('hashes.json') as Vectors;

describe('section 1: tags', () => {
  for (const [name, hex] of Object.entries(vectors.tags)) {
    it(name, () => assert.equal(toHex(tag(name)), hex));
  }

  it('refuses a name of more than 16 bytes', () => {
    assert.throws(() => tag('a'.repeat(17)), RangeError);
  });
});

describe('section 2: names of things', () => {
  for (const { modelId, promptTokens, inputDigest } of vectors.input) {
    it(`inputDigest of ${promptTokens.length} tokens`, () =>
      assert.equal(toHex(inputDigestOf(fromHex(modelId), promptTokens)), inputDigest));
  }

  for (const { exec, cbor, execClass } of vectors.exec) {
    it(`execClass of ${exec.backend}, batch ${exec.batch}`, () => {
      assert.equal(toHex(encodeCbor(exec)), cbor);
      assert.equal(toHex(execClassOf(exec)), execClass);
    });
  }

  for (const { files, modelId } of vectors.shards) {
    it(`modelId of ${files.length} files`, () => assert.equal(toHex(shardsModelId(files.map(fromHex))), modelId));
  }

  for (const { bytes, vocabDigest } of vectors.vocab) {
    it(`vocabDigest of ${bytes.length} tokens`, () => {
      assert.equal(toHex(vocabDigestOf(bytes.length, (id) => fromHex(bytes[id] ?? ''))), vocabDigest);
    });
  }

  it('has a digest of 32 bytes behind every name', () => {
    assert.equal(modelIdHex(new Uint8Array(32)), '0'.repeat(64));
    assert.throws(() => modelIdHex(new Uint8Array(31)), RangeError);
  });
});

describe('section 4: seeds from numbers', () => {
  for (const [number, seed] of (readVectors('sampler.json') as { seeds: [string, string][] }).seeds) {
    it(number, () => assert.equal(toHex(seedOfNumber(BigInt(number))), seed));
  }

  it('refuses what is no u64', () => {
    assert.throws(() => seedOfNumber(-1n), RangeError);
    assert.throws(() => seedOfNumber(2n ** 64n), RangeError);
  });
});

describe('section 7: discovery keys', () => {
  const cidOf = (key: string): string => {
    const [, , kind, name = '', quant] = key.split('/');
    if (kind === 'model') return modelKey(name as ModelId).toString();
    if (kind === 'role') return roleKey(name as 'router').toString();
    return (quant === undefined ? nameKey(name) : nameQuantKey(name, quant)).toString();
  };

  for (const { key, cid } of vectors.discovery) {
    it(key, () => assert.equal(cidOf(key), cid));
  }

  it('separates networks', () => {
    assert.equal(kadProtocol('dev'), '/qvac/dev/kad/1.0.0');
    assert.equal(mdnsTag('local'), '_qvac-local._udp.local');
  });
});
