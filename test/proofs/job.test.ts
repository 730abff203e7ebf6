import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { payableLamports } from '../../src/proofs/checks/payment.ts';
import { subjectOf } from '../../src/proofs/checks/subject.ts';
import { assess } from '../../src/proofs/checks.ts';
import { encodeHead, isFinal } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { parseReceipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { drawAt, weightsOf } from '../../src/proofs/sampling/sampler.ts';
import { candDigest, exactDigest, leafOf, noZk, prefixesAt, saltsOf } from '../../src/proofs/sampling/step.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createTranscript } from '../../src/proofs/transcript.ts';
import { verdictOf } from '../../src/proofs/verdict.ts';
import { execClassOf, inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame, FrameType } from '../../src/protocol/frames.ts';
import {
  type AckStop,
  type Candidate,
  type Exec,
  type Head,
  type Input,
  kinds,
  type Quote,
} from '../../src/protocol/messages.ts';
import {
  decodeHead,
  decodeVerdict,
  encodeAck,
  encodeOffer,
  encodeOpening,
  encodeQuote,
  encodeVerdict,
} from '../../src/protocol/validate.ts';
import { float32, type OfferFields, offerOf, readVectors, withBytes } from '../support/vectors.ts';

interface Vector {
  readonly keys: Readonly<Record<'client' | 'provider', { readonly secretKey: string; readonly publicKey: string }>>;
  readonly secret: string;
  readonly providerSecret: string;
  readonly input: Input;
  readonly modelId: string;
  readonly exec: Exec;
  readonly promptTokens: readonly number[];
  readonly inputDigest: string;
  readonly execClass: string;
  readonly quote: unknown;
  readonly quoteBody: string | null;
  readonly offer: OfferFields;
  readonly extra: string;
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
  readonly acks: readonly {
    readonly n: number;
    readonly stop: AckStop;
    readonly account: string;
    readonly committed: string;
    readonly released: string;
  }[];
  readonly positions: readonly number[];
  readonly price: string;
  readonly receipt: { readonly verdicts: readonly unknown[]; readonly ack: string | null };
}

const vectors = readVectors('job.json') as Readonly<Record<'unpaid' | 'paid' | 'channel', Vector>>;
const allTypes: readonly FrameType[] = ['offer', 'accept', 'tokens', 'head', 'ack', 'challenge', 'opening', 'verdict'];

/** The logits of a step, in another order than the candidates'. */
function topOf({ candidates, logits }: Vector['steps'][number]): TopLogits {
  const pairs = candidates.map(([id], at) => [id, float32(logits[at] ?? '')] as const).reverse();
  return { ids: Uint32Array.from(pairs, ([id]) => id), logits: Float32Array.from(pairs, ([, logit]) => logit) };
}

for (const name of ['unpaid', 'paid', 'channel'] as const) {
  const vector = vectors[name];
  const client = signingKeyFromSeed(fromHex(vector.keys.client.secretKey));
  const provider = signingKeyFromSeed(fromHex(vector.keys.provider.secretKey));
  const secret = fromHex(vector.secret);
  const offer = offerOf(vector.offer);
  const quote = vector.quote === null ? null : (withBytes(vector.quote) as Quote);
  const offerBody = encodeOffer(offer);
  const jobId = jobIdOf(offerBody);
  const offerSigned = signBody(client, kinds.offer, jobId, offerBody);
  const quoteSigned = quote && signBody(provider, kinds.quote, null, encodeQuote(quote));
  const sent = vector.frames.map(({ frame }) => decodeFrame(fromHex(frame).subarray(4), allTypes));
  const acks = vector.acks.map(({ n, stop, account, committed, released }) =>
    signBody(
      client,
      kinds.ack,
      jobId,
      encodeAck({
        version: 1,
        jobId: fromHex(jobId),
        n,
        stop,
        account: fromHex(account),
        committedLamports: BigInt(committed),
        releasedLamports: BigInt(released),
      }),
    ),
  );
  const received = () =>
    createReceived({
      offer,
      offerSigned,
      quote: quote && quoteSigned && { quote, signed: quoteSigned },
      exec: vector.exec,
      input: vector.input,
      extra: fromHex(vector.extra),
    });

  describe(`section 4: a whole job, ${name}, made again from its secrets`, () => {
    it('has these keys, quote, offer and digests', () => {
      assert.equal(toHex(client.publicKey), vector.keys.client.publicKey);
      assert.equal(toHex(provider.publicKey), vector.keys.provider.publicKey);
      assert.equal(quoteSigned && toHex(quoteSigned.body), vector.quoteBody);
      assert.deepEqual(quoteSigned && sha256(quoteSigned.body), offer.quote);
      assert.equal(toHex(offerBody), vector.offerBody);
      assert.equal(toHex(offerSigned.sig), vector.offerSig);
      assert.equal(jobId, vector.jobId);
      assert.equal(toHex(execClassOf(vector.exec)), vector.execClass);
      assert.deepEqual(requestDigestOf(vector.input), offer.requestDigest);
      assert.equal(toHex(inputDigestOf(fromHex(vector.modelId), vector.promptTokens)), vector.inputDigest);
      assert.deepEqual(sha256(secret), offer.challenge.commit);
    });

    it('has these values at every step', () => {
      const salts = saltsOf(fromHex(vector.providerSecret));
      const chain = prefixesAt(fromHex(vector.inputDigest), vector.tokens, vector.tokens.keys());
      for (const { i, candidates, logits, weights, r, token, prefix, salt, cand, exact, leaf } of vector.steps) {
        assert.deepEqual(weightsOf(candidates, offer.sampler), weights);
        assert.equal(drawAt(offer.seed, i), BigInt(r));
        assert.equal(toHex(chain.get(i) ?? new Uint8Array()), prefix);
        assert.equal(toHex(salts(i)), salt);
        assert.equal(toHex(candDigest(fromHex(jobId), i, fromHex(salt), candidates)), cand);
        assert.equal(toHex(exactDigest(candidates, Float32Array.from(logits, float32))), exact);
        const parts = { prefix: fromHex(prefix), cand: fromHex(cand), exact: fromHex(exact), zk: noZk };
        assert.equal(toHex(leafOf({ jobId: fromHex(jobId), i, token, ...parts })), leaf);
      }
    });

    it('is sent in these frames, byte for byte', () => {
      const inputDigest = inputDigestOf(offer.modelId, vector.promptTokens);
      const transcript = createTranscript({
        jobId,
        offer,
        settings: {},
        continuation: [],
        inputDigest,
        promptCount: vector.promptTokens.length,
        execClass: offer.execClass,
        jobSecret: fromHex(vector.providerSecret),
        bytesOf: (token) => fromHex(vector.pieces[token] ?? ''),
        matcher: null,
      });
      const unsent = [...acks];
      const made = sent.map((frame, at): Frame => {
        if (frame.t === 'offer') return { ...frame, ...offerSigned, input: vector.input };
        if (frame.t === 'accept') return { ...frame, promptTokens: vector.promptTokens, inputDigest };
        if (frame.t === 'challenge') return { ...frame, secret };
        if (frame.t === 'ack') return { ...frame, ...(unsent.shift() ?? assert.fail()) };
        if (frame.t === 'opening')
          return { ...frame, ...signBody(provider, kinds.opening, jobId, encodeOpening(transcript.open(secret))) };
        if (frame.t === 'head') {
          const head = transcript.head(decodeHead(frame.body).finish);
          return { ...frame, ...signBody(provider, kinds.head, jobId, encodeHead(head)) };
        }
        if (frame.t !== 'tokens') return frame;
        const i = transcript.n;
        const steps = vector.steps.slice(i, i + frame.tokens.length);
        const pieces = steps.map((step) => transcript.next(topOf(step)).text);
        const next = nextHead(sent.slice(at));
        const end = next !== null && isFinal(next) ? transcript.end(next.finish) : '';
        return { t: 'tokens', i, tokens: transcript.tokens.slice(i), text: pieces.join('') + end };
      });
      assert.deepEqual(transcript.tokens, vector.tokens);
      assert.deepEqual(
        transcript.open(secret).steps.map(({ i }) => i),
        vector.positions,
      );
      assert.deepEqual(
        made.map((frame) => toHex(encodeFrame(frame))),
        vector.frames.map(({ frame }) => frame),
      );
      assert.deepEqual(unsent, []);
    });

    it('makes this receipt of the frames that came, which passes', () => {
      const record = received();
      for (const frame of sent) {
        if (frame.t === 'accept') record.accept(frame);
        else if (frame.t === 'tokens') record.addTokens(frame);
        else if (frame.t === 'head') record.addHead({ body: frame.body, sig: frame.sig });
        else if (frame.t === 'ack') record.setAck({ body: frame.body, sig: frame.sig });
        else if (frame.t === 'opening') record.setOpening({ body: frame.body, sig: frame.sig }, secret);
      }
      assert.equal(record.text, vector.text);
      const verdicts = sent.flatMap((frame) => (frame.t === 'verdict' ? [{ body: frame.body, sig: frame.sig }] : []));
      const receipt = record.receipt(vector.receipt.verdicts.length === 0 ? [] : verdicts);
      assert.equal(serialiseReceipt(receipt), JSON.stringify(vector.receipt));
      assert.deepEqual(parseReceipt(serialiseReceipt(receipt)), receipt);
      const { vocab, stops } = offer.sampler;
      const prompt = { promptTokens: vector.promptTokens, vocab, stops, text: vector.text };
      const steps = vector.steps.map(topOf);
      const assessment = assess(receipt, { prompt, replay: { tier: 'exact', execClass: offer.execClass, steps } });
      assert.deepEqual(
        [assessment.result, assessment.tier, assessment.count],
        ['pass', 'exact', Math.min(offer.challenge.count, vector.tokens.length)],
        JSON.stringify(assessment.checks),
      );
      assert.equal(payableLamports(subjectOf(receipt)), BigInt(vector.price));
      for (const { body, sig } of verdicts) {
        const verdict = verdictOf(assess(receipt, {}), receipt, client.publicKey, decodeVerdict(body).at);
        assert.deepEqual(signBody(client, kinds.verdict, jobId, encodeVerdict(verdict)), { body, sig });
      }
    });
  });
}

/** The head that comes next, if no more tokens come before it. */
function nextHead(frames: readonly Frame[]): Head | null {
  const next = frames.slice(1).find(({ t }) => t !== 'ack');
  return next?.t === 'head' ? decodeHead(next.body) : null;
}
