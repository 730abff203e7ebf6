import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { signBody, signingKeyFromSeed, verifyBody } from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { decodeExtra, encodeExtra, extraDigestOf, isExtraOf } from '../../src/protocol/messages/extra.ts';
import { type ExtraSettings, kinds, type Offer } from '../../src/protocol/messages.ts';
import { decodeOffer, encodeOffer } from '../../src/protocol/validate.ts';
import { type OfferFields, offerOf, readVectors, withBytes } from '../support/vectors.ts';

interface Vectors {
  readonly secretKey: string;
  readonly offers: readonly {
    what: string;
    fields: OfferFields;
    extra: string;
    body: string;
    jobId: string;
    sig: string;
  }[];
  readonly bad: readonly { what: string; body: string }[];
  readonly extra: readonly { settings: unknown; cbor: string; extraDigest: string }[];
  readonly badExtra: readonly { what: string; cbor: string }[];
  readonly pairs: readonly { what: string; extraDigest: string; extra: string; belongs: boolean }[];
}

const vectors = readVectors('offer.json') as Vectors;
const zeros = '0'.repeat(64);
const digestOrNull = (hex: string): Uint8Array | null => (hex === zeros ? null : fromHex(hex));

describe('section 4: offers', () => {
  const key = signingKeyFromSeed(fromHex(vectors.secretKey));

  for (const { what, fields, extra, body, jobId, sig } of vectors.offers) {
    it(`encodes, signs and decodes ${what}`, () => {
      const offer = offerOf(fields);
      assert.equal(toHex(encodeOffer(offer)), body);
      assert.deepEqual(decodeOffer(fromHex(body)), offer);
      assert.equal(jobIdOf(fromHex(body)), jobId);
      const signed = signBody(key, kinds.offer, jobIdOf(fromHex(body)), fromHex(body));
      assert.equal(toHex(signed.sig), sig);
      assert.ok(verifyBody(key.publicKey, kinds.offer, jobIdOf(fromHex(body)), signed));
      assert.ok(isExtraOf(offer.sampler.extra, fromHex(extra)));
    });
  }

  for (const { what, body } of vectors.bad)
    it(`refuses ${what}`, () => assert.throws(() => decodeOffer(fromHex(body)), MalformedError));

  it('encodes nothing that it would not decode', () => {
    const offer = offerOf(vectors.offers[0]?.fields ?? assert.fail());
    const { sampler, payment } = offer;
    for (const changes of [
      { expiresAt: offer.issuedAt },
      { mode: 5 },
      { challenge: { ...offer.challenge, count: 1 } },
      { challenge: { ...offer.challenge, commit: new Uint8Array(31) } },
      { nonce: new Uint8Array(15) },
      { start: -1 },
      { start: 2 ** 32 },
      { issuedAt: -1n },
      { sampler: { ...sampler, temperature: 201 } },
      { sampler: { ...sampler, stops: [2, 1] } },
      { sampler: { ...sampler, stops: [0, 1, 2, 3, 4, 5, 6, 7, 8] } },
      { payment: { ...payment, pay: 0 } },
      { payment: { ...payment, amountLamports: 1n << 64n } },
    ])
      assert.throws(() => encodeOffer({ ...offer, ...changes } as Offer), MalformedError, Object.keys(changes).join());
  });

  it('names the field that is wrong', () => {
    const body = fromHex(vectors.offers[0]?.body ?? '');
    body[292] = 201;
    assert.throws(() => decodeOffer(body), /^MalformedError: offer: temperature expected 0 to 200, got 201$/);
  });
});

describe('section 4.1: extra', () => {
  for (const { settings, cbor, extraDigest } of vectors.extra) {
    it(`encodes and decodes ${JSON.stringify(settings).slice(0, 60)}`, () => {
      const value = withBytes(settings) as ExtraSettings;
      assert.equal(toHex(encodeExtra(value)), cbor);
      assert.deepEqual(decodeExtra(fromHex(cbor), 2 ** 32 - 1), value);
      assert.deepEqual(extraDigestOf(fromHex(cbor)), digestOrNull(extraDigest));
    });
  }

  for (const { what, cbor } of vectors.badExtra)
    it(`refuses ${what}`, () => assert.throws(() => decodeExtra(fromHex(cbor), 2 ** 32 - 1), MalformedError));

  it('refuses a bias for an id outside the vocabulary', () => {
    const extra = encodeExtra({ bias: [[3, 1]] });
    assert.throws(() => decodeExtra(extra, 3), MalformedError);
    assert.deepEqual(decodeExtra(extra, 4), { bias: [[3, 1]] });
  });

  for (const { what, extraDigest, extra, belongs } of vectors.pairs)
    it(`${belongs ? 'goes' : 'does not go'} with an offer: ${what}`, () =>
      assert.equal(isExtraOf(digestOrNull(extraDigest), fromHex(extra)), belongs));
});
