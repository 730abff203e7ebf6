import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import type { ModelId } from '../../src/lib/types.ts';
import { encodeCbor } from '../../src/protocol/codec.ts';
import { forgesTurn } from '../../src/protocol/control-text.ts';
import {
  execClassOf,
  inputDigestOf,
  modelIdHex,
  requestDigestOf,
  seedOfNumber,
  shardsModelId,
  tag,
} from '../../src/protocol/digests.ts';
import { kadProtocol, mdnsTag, modelKey, nameKey, nameQuantKey, routerKey } from '../../src/protocol/discovery-keys.ts';
import type { Exec, Input } from '../../src/protocol/messages.ts';
import { payableTokens, priceLamports } from '../../src/protocol/price.ts';
import { promptTokenBound } from '../../src/protocol/prompt-bound.ts';
import { encodeInput } from '../../src/protocol/validate.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly tags: Readonly<Record<string, string>>;
  readonly request: readonly { input: Input; cbor: string; requestDigest: string }[];
  readonly input: readonly { modelId: string; promptTokens: number[]; inputDigest: string }[];
  readonly exec: readonly { exec: Exec; cbor: string; execClass: string }[];
  readonly control: { tokens: string[]; cases: readonly { input: Input; refused: boolean }[] };
  readonly shards: readonly { files: string[]; modelId: string }[];
  readonly price: readonly { promptCount: number; n: number; priceIn: string; priceOut: string; price: string }[];
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
  for (const { input, cbor, requestDigest } of vectors.request) {
    it(`requestDigest ${requestDigest.slice(0, 8)}`, () => {
      assert.equal(toHex(encodeInput(input)), cbor);
      assert.equal(toHex(requestDigestOf(input)), requestDigest);
    });
  }

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

  for (const { input, refused } of vectors.control.cases) {
    it(`${refused ? 'refuses' : 'takes'} ${JSON.stringify(input.messages)}`, () =>
      assert.equal(forgesTurn(input, vectors.control.tokens), refused));
  }

  it('has a digest of 32 bytes behind every name', () => {
    assert.equal(modelIdHex(new Uint8Array(32)), '0'.repeat(64));
    assert.throws(() => modelIdHex(new Uint8Array(31)), RangeError);
  });
});

describe('section 3: prices', () => {
  for (const { promptCount, n, priceIn, priceOut, price } of vectors.price) {
    it(`${promptCount} × ${priceIn} + ${n} × ${priceOut}`, () => {
      assert.equal(
        priceLamports({ promptCount, n, priceIn: Number(priceIn), priceOut: Number(priceOut) }),
        BigInt(price),
      );
    });
  }

  it('counts at most 32 tokens beyond a cancel', () => {
    assert.equal(payableTokens({ n: 60, finish: 2, cancelN: 10 }), 42);
    assert.equal(payableTokens({ n: 40, finish: 2, cancelN: 10 }), 40);
    assert.equal(payableTokens({ n: 60, finish: 0, cancelN: 10 }), 60);
    assert.equal(payableTokens({ n: 60, finish: 1, cancelN: null }), 60);
  });

  it('bounds the prompt by the bytes of all that is rendered', () => {
    const input: Input = { messages: [{ role: 'user', content: 'żó' }], template: 'gguf', options: { ab: true } };
    assert.equal(promptTokenBound(input), 4 + 4 + 2 + 4 + 256);
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
    if (kind === 'role') return routerKey().toString();
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
