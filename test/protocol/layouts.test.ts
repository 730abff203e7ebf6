import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { jobIdHex } from '../../src/protocol/digests.ts';
import { channelIdOf } from '../../src/protocol/layouts/channel-terms.ts';
import { type Ack, type AckStop, type ChannelTerms, kinds } from '../../src/protocol/messages.ts';
import { decodeAck, decodeChannelTerms, encodeAck, encodeChannelTerms } from '../../src/protocol/validate.ts';
import { readVectors } from '../support/vectors.ts';

interface AckVectors {
  readonly secretKey: string;
  readonly acks: readonly {
    fields: { jobId: string; n: number; stop: AckStop; account: string; committed: string; released: string };
    body: string;
    sig: string;
  }[];
  readonly bad: readonly { what: string; body: string }[];
}

interface TermsVectors {
  readonly secretKey: string;
  readonly terms: readonly {
    fields: Readonly<
      Record<
        | 'chain'
        | 'program'
        | 'payer'
        | 'authority'
        | 'provider'
        | 'client'
        | 'deposit'
        | 'window'
        | 'expiresAt'
        | 'validUntil'
        | 'nonce',
        string
      >
    >;
    body: string;
    channel: string;
    sig: string;
  }[];
  readonly bad: readonly { what: string; body: string }[];
}

describe('section 4: acknowledgements', () => {
  const vectors = readVectors('ack.json') as AckVectors;
  const key = signingKeyFromSeed(fromHex(vectors.secretKey));

  for (const { fields, body, sig } of vectors.acks) {
    it(`encodes, signs and decodes n ${fields.n}, stop ${fields.stop}, committed ${fields.committed}`, () => {
      const ack: Ack = {
        version: 1,
        jobId: fromHex(fields.jobId),
        n: fields.n,
        stop: fields.stop,
        account: fromHex(fields.account),
        committedLamports: BigInt(fields.committed),
        releasedLamports: BigInt(fields.released),
      };
      assert.equal(toHex(encodeAck(ack)), body);
      assert.deepEqual(decodeAck(fromHex(body)), ack);
      assert.equal(toHex(signBody(key, kinds.ack, jobIdHex(ack.jobId), fromHex(body)).sig), sig);
    });
  }

  for (const { what, body } of vectors.bad)
    it(`refuses ${what}`, () => assert.throws(() => decodeAck(fromHex(body)), MalformedError));
});

describe('section 9: channel terms', () => {
  const vectors = readVectors('channel.json') as TermsVectors;
  const key = signingKeyFromSeed(fromHex(vectors.secretKey));

  for (const { fields, body, channel, sig } of vectors.terms) {
    it(`encodes, signs and decodes a deposit of ${fields.deposit}`, () => {
      const terms: ChannelTerms = {
        version: 1,
        chain: fromHex(fields.chain),
        program: fromHex(fields.program),
        payer: fromHex(fields.payer),
        authority: fromHex(fields.authority),
        provider: fromHex(fields.provider),
        client: fromHex(fields.client),
        depositLamports: BigInt(fields.deposit),
        windowLamports: BigInt(fields.window),
        expiresAt: BigInt(fields.expiresAt),
        validUntil: BigInt(fields.validUntil),
        nonce: fromHex(fields.nonce),
      };
      assert.equal(toHex(encodeChannelTerms(terms)), body);
      assert.deepEqual(decodeChannelTerms(fromHex(body)), terms);
      assert.equal(toHex(channelIdOf(fromHex(body))), channel);
      assert.equal(toHex(signBody(key, kinds.channel, null, fromHex(body)).sig), sig);
    });
  }

  for (const { what, body } of vectors.bad)
    it(`refuses ${what}`, () => assert.throws(() => decodeChannelTerms(fromHex(body)), MalformedError));
});
