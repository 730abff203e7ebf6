import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { decodeHead, encodeHead, isEquivocation } from '../../src/proofs/head.ts';
import { signBody, signingKeyFromSeed, verifyBody } from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { jobIdHex } from '../../src/protocol/digests.ts';
import type { Head } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

type HexHead = { readonly [Field in keyof Head]: Head[Field] extends Uint8Array ? string : Head[Field] };

interface Vectors {
  readonly secretKey: string;
  readonly heads: readonly (HexHead & { readonly body: string; readonly sig: string })[];
  readonly bad: readonly { what: string; body: string }[];
  readonly pairs: readonly { what: string; a: string; b: string; equivocation: boolean }[];
}

const vectors = readVectors('head.json') as Vectors;

function headOf(hex: HexHead): Head {
  const { version, n, promptCount, finish } = hex;
  const [jobId, root, prefix, textDigest, inputDigest, execClass] = [
    hex.jobId,
    hex.root,
    hex.prefix,
    hex.textDigest,
    hex.inputDigest,
    hex.execClass,
  ].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  return { version, jobId, n, root, prefix, textDigest, inputDigest, execClass, promptCount, finish };
}

describe('section 4.2: heads', () => {
  const key = signingKeyFromSeed(fromHex(vectors.secretKey));

  for (const vector of vectors.heads) {
    it(`encodes, signs and decodes n ${vector.n}, finish ${vector.finish}`, () => {
      const head = headOf(vector);
      assert.equal(toHex(encodeHead(head)), vector.body);
      assert.deepEqual(decodeHead(fromHex(vector.body)), head);
      const signed = signBody(key, 'qvac/head/1', jobIdHex(head.jobId), encodeHead(head));
      assert.equal(toHex(signed.sig), vector.sig);
      assert.ok(verifyBody(key.publicKey, 'qvac/head/1', jobIdHex(head.jobId), signed));
    });
  }

  for (const { what, body } of vectors.bad) {
    it(`refuses ${what}`, () => assert.throws(() => decodeHead(fromHex(body)), MalformedError));
  }

  for (const { what, a, b, equivocation } of vectors.pairs) {
    it(`${equivocation ? 'equivocation' : 'honest'}: ${what}`, () => {
      assert.equal(isEquivocation(decodeHead(fromHex(a)), decodeHead(fromHex(b))), equivocation);
      assert.equal(isEquivocation(decodeHead(fromHex(b)), decodeHead(fromHex(a))), equivocation);
    });
  }
});
