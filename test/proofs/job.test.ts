import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { assess } from '../../src/proofs/checks.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { parseReceipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { drawAt, weightsOf } from '../../src/proofs/sampler.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { candDigest, exactDigest, leafOf, noZk, prefixesAt, saltsOf } from '../../src/proofs/step.ts';
import { createTranscript } from '../../src/proofs/transcript.ts';
import { execClassOf, inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame, FrameType } from '../../src/protocol/frames.ts';
import {
  type Candidate,
  type Exec,
  type Finish,
  type Input,
  kinds,
  type Offer,
  type Quote,
} from '../../src/protocol/messages.ts';
import { encodeOffer, encodeOpening, encodeQuote } from '../../src/protocol/validate.ts';
import { float32, readVectors, withBytes } from '../support/vectors.ts';

interface Vector {
  readonly params: { readonly exec: Exec };
  readonly keys: Readonly<Record<'client' | 'provider', { readonly secretKey: string; readonly publicKey: string }>>;
  readonly secret: string;
  readonly providerSecret: string;
  readonly input: Input;
  readonly modelId: string;
  readonly promptTokens: readonly number[];
  readonly inputDigest: string;
  readonly execClass: string;
  readonly quote: unknown;
  readonly quoteBody: string;
  readonly offer: unknown;
  readonly offerBody: string;
  readonly offerSig: string;
  readonly jobId: string;
  readonly steps: readonly {
    readonly i: number;
    readonly candidates: readonly Candidate[];
    readonly logits: readonly string[];
    readonly weights: readonly number[];
    readonly r: string;
    readonly token: number;
    readonly prefix: string;
    readonly salt: string;
    readonly cand: string;
    readonly exact: string;
    readonly leaf: string;
  }[];
  readonly tokens: readonly number[];
  readonly pieces: Readonly<Record<string, string>>;
  readonly text: string;
  readonly frames: readonly { readonly from: 'client' | 'provider'; readonly frame: string }[];
  readonly heads: readonly {
    readonly n: number;
    readonly finish: Finish;
    readonly root: string;
    readonly textDigest: string;
    readonly body: string;
    readonly sig: string;
  }[];
  readonly positions: readonly number[];
  readonly openingBody: string;
  readonly openingSig: string;
  readonly receipt: unknown;
}

const vector = readVectors('job.json') as Vector;
const client = signingKeyFromSeed(fromHex(vector.keys.client.secretKey));
const provider = signingKeyFromSeed(fromHex(vector.keys.provider.secretKey));
const secret = fromHex(vector.secret);
const offer = withBytes(vector.offer) as Offer;
const quote = withBytes(vector.quote) as Quote;
const offerBody = encodeOffer(offer);
const jobId = jobIdOf(offerBody);
const offerSigned = signBody(client, kinds.offer, jobId, offerBody);
const quoteSigned = signBody(provider, kinds.quote, null, encodeQuote(quote));
const allTypes: readonly FrameType[] = ['offer', 'accept', 'tokens', 'head', 'challenge', 'opening', 'beat'];
const received = vector.frames.map(({ from, frame }) => ({
  from,
  sent: frame,
  frame: decodeFrame(fromHex(frame).subarray(4), allTypes),
}));

/** The logits of a step, in another order than the candidates'. */
function topOf({ candidates, logits }: Vector['steps'][number]): TopLogits {
  const pairs = candidates.map(([id], at) => [id, float32(logits[at] ?? '')] as const).reverse();
  return { ids: Uint32Array.from(pairs, ([id]) => id), logits: Float32Array.from(pairs, ([, logit]) => logit) };
}

function textOf(tokens: readonly number[], decoder: InstanceType<typeof TextDecoder>): string {
  return tokens.map((token) => decoder.decode(fromHex(vector.pieces[token] ?? ''), { stream: true })).join('');
}

describe('section 4: a whole job, made again from its secrets', () => {
  it('has these keys, quote, offer and digests', () => {
    assert.equal(toHex(client.publicKey), vector.keys.client.publicKey);
    assert.equal(toHex(provider.publicKey), vector.keys.provider.publicKey);
    assert.equal(toHex(quoteSigned.body), vector.quoteBody);
    assert.deepEqual(sha256(quoteSigned.body), offer.quote);
    assert.equal(toHex(offerBody), vector.offerBody);
    assert.equal(toHex(offerSigned.sig), vector.offerSig);
    assert.equal(jobId, vector.jobId);
    assert.equal(toHex(execClassOf(vector.params.exec)), vector.execClass);
    assert.deepEqual(requestDigestOf(vector.input), offer.requestDigest);
    assert.equal(toHex(inputDigestOf(fromHex(vector.modelId), vector.promptTokens)), vector.inputDigest);
    assert.deepEqual(sha256(secret), offer.challenge.commit);
  });

  it('has these values at every step', () => {
    const salts = saltsOf(fromHex(vector.providerSecret));
    const chain = prefixesAt(fromHex(vector.inputDigest), vector.tokens, vector.tokens.keys());
    for (const { i, candidates, logits, weights, r, token, prefix, salt, cand, exact, leaf } of vector.steps) {
      assert.deepEqual(weightsOf(candidates, offer.sampler.temperature, offer.sampler.minP), weights);
      assert.equal(drawAt(offer.seed, i), BigInt(r));
      assert.equal(toHex(chain.get(i) ?? new Uint8Array()), prefix);
      assert.equal(toHex(salts(i)), salt);
      assert.equal(toHex(candDigest(fromHex(jobId), i, fromHex(salt), candidates)), cand);
      assert.equal(toHex(exactDigest(candidates, Float32Array.from(logits, float32))), exact);
      assert.equal(
        toHex(
          leafOf({
            jobId: fromHex(jobId),
            i,
            token,
            prefix: fromHex(prefix),
            cand: fromHex(cand),
            exact: fromHex(exact),
            zk: noZk,
          }),
        ),
        leaf,
      );
    }
  });

  it('is sent in these frames, byte for byte', () => {
    const inputDigest = inputDigestOf(offer.modelId, vector.promptTokens);
    const transcript = createTranscript({
      jobId,
      offer,
      inputDigest,
      promptCount: vector.promptTokens.length,
      execClass: offer.execClass,
      jobSecret: fromHex(vector.providerSecret),
    });
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const sizes = received.flatMap(({ frame }) => (frame.t === 'tokens' ? [frame.tokens.length] : []));
    const frames: Frame[] = [
      { t: 'offer', ...offerSigned, input: vector.input },
      { t: 'accept', promptTokens: vector.promptTokens, inputDigest },
    ];
    let text = '';
    let finish: Finish | null = null;
    for (const size of sizes) {
      const i = transcript.n;
      for (const step of vector.steps.slice(i, i + size)) finish = transcript.next(topOf(step)).finish;
      const added = textOf(transcript.tokens.slice(i), decoder) + (finish === null ? '' : decoder.decode());
      text += added;
      frames.push({ t: 'tokens', i, tokens: transcript.tokens.slice(i), text: added });
      if (transcript.n % 32 === 0 || finish !== null) {
        frames.push({
          t: 'head',
          ...signBody(provider, kinds.head, jobId, encodeHead(transcript.head({ text, finish: finish ?? 255 }))),
        });
      }
    }
    const opening = transcript.open(secret);
    frames.push(
      { t: 'challenge', secret },
      { t: 'opening', ...signBody(provider, kinds.opening, jobId, encodeOpening(opening)) },
    );
    assert.deepEqual(transcript.tokens, vector.tokens);
    assert.equal(text, vector.text);
    assert.deepEqual(
      opening.steps.map(({ i }) => i),
      vector.positions,
    );
    assert.equal(toHex(encodeOpening(opening)), vector.openingBody);
    assert.deepEqual(
      frames.map((frame) => toHex(encodeFrame(frame))),
      vector.frames.map(({ frame }) => frame),
    );
  });

  it('makes this receipt of the frames that came, which passes', () => {
    const record = createReceived({
      offer,
      offerSigned,
      quote: { quote, signed: quoteSigned },
      exec: vector.params.exec,
      input: vector.input,
    });
    for (const { frame } of received) {
      if (frame.t === 'accept') record.accept(frame);
      else if (frame.t === 'tokens') record.addTokens(frame);
      else if (frame.t === 'head') record.addHead({ body: frame.body, sig: frame.sig });
      else if (frame.t === 'opening') record.setOpening({ body: frame.body, sig: frame.sig }, secret);
    }
    assert.deepEqual(
      received.flatMap(({ frame }) => (frame.t === 'head' ? [toHex(frame.body)] : [])),
      vector.heads.map(({ body }) => body),
    );
    const receipt = record.receipt([]);
    assert.equal(serialiseReceipt(receipt), JSON.stringify(vector.receipt));
    assert.deepEqual(parseReceipt(serialiseReceipt(receipt)), receipt);
    const steps = vector.steps.map(topOf);
    const { vocab, stops } = offer.sampler;
    const prompt = { promptTokens: vector.promptTokens, vocab, stops, text: vector.text };
    const assessment = assess(receipt, { prompt, replay: { tier: 'exact', execClass: offer.execClass, steps } });
    assert.deepEqual([assessment.result, assessment.tier, assessment.count], ['pass', 'exact', 16]);
  });
});
