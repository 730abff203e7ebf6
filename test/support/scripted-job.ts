import { utf8 } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { createReceived, type Received } from '../../src/proofs/received.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createTranscript, type Transcript } from '../../src/proofs/transcript.ts';
import { execClassOf, inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import {
  type Exec,
  type Finish,
  type Input,
  kinds,
  type Offer,
  type Quote,
  type Sampler,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeCancel, encodeOffer, encodeOpening, encodeQuote } from '../../src/protocol/validate.ts';

/** Both sides of a job without a network or a model; its logits derive from a number. */

export const client = signingKeyFromSeed(sha256(utf8('client')));
export const provider = signingKeyFromSeed(sha256(utf8('provider')));

const exec: Exec = {
  engine: 'llama.cpp b4000',
  backend: 'cpu',
  kernels: 'AVX2',
  threads: 0,
  batch: 63,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
};
const input: Input = {
  messages: [{ role: 'user', content: 'Zażółć 🦙' }],
  template: 'gguf',
  options: { thinking: false },
};
const modelId = sha256(utf8('model'));
export const promptTokens: readonly number[] = [3, 1, 4, 1, 5];

const defaultSampler: Sampler = { temperature: 70, minP: 5, topK: 20, maxTokens: 64, vocab: 300, stops: [0] };

export interface ScriptedJobInit {
  /** The seed of everything random. */
  readonly number: number;
  readonly sampler?: Partial<Sampler> | undefined;
  readonly count?: number | undefined;
  /** Changes the offer before it is signed. */
  readonly offer?: Partial<Offer> | undefined;
  readonly quote?: Partial<Quote> | null | undefined;
}

export interface ScriptedJob {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly secret: Uint8Array;
  readonly inputDigest: Uint8Array;
  readonly transcript: Transcript;
  readonly received: Received;
  /** The model's logits at step `i`. */
  top(i: number): TopLogits;
  /** Draws, sends and receives up to `most` tokens with their text; null once the answer has ended. */
  generate(most: number): Finish | null;
  signHead(finish: Finish, text?: string): Signed;
  cancel(n: number): Signed;
  /** Runs the job from the accept to the opening. */
  finish(): Received;
}

export function createScriptedJob(init: ScriptedJobInit): ScriptedJob {
  const random = (name: string): Uint8Array => sha256(utf8(`${name} ${init.number}`));
  const secret = random('secret');
  const sampler = { ...defaultSampler, ...init.sampler };
  const quote: Quote | null = init.quote ? quoteOf(init.quote, random('nonce').slice(16)) : null;
  const quoteSigned = quote && signBody(provider, kinds.quote, null, encodeQuote(quote));
  const offer: Offer = {
    v: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId,
    execClass: execClassOf(exec),
    requestDigest: requestDigestOf(input),
    quote: quoteSigned && sha256(quoteSigned.body),
    seed: random('seed'),
    sampler,
    challenge: { commit: sha256(secret), count: init.count ?? 16 },
    mode: 'merkle',
    payment: null,
    issuedAt: 1_790_000_000_000,
    expiresAt: 1_790_000_060_000,
    nonce: random('nonce').slice(0, 16),
    ...init.offer,
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const offerSigned = signBody(client, kinds.offer, jobId, body);
  const inputDigest = inputDigestOf(modelId, promptTokens);
  const transcript = createTranscript({
    jobId,
    offer,
    inputDigest,
    promptCount: promptTokens.length,
    execClass: offer.execClass,
    jobSecret: random('salts'),
  });
  const received = createReceived({
    offer,
    offerSigned,
    quote: quote && quoteSigned && { quote, signed: quoteSigned },
    exec,
    input,
  });
  const top = (i: number): TopLogits => topLogits(random(`logits ${i}`), sampler);
  let finish: Finish | null = null;

  const job: ScriptedJob = {
    jobId,
    offer,
    offerSigned,
    secret,
    inputDigest,
    transcript,
    received,
    top,
    generate(most) {
      const i = transcript.n;
      while (finish === null && transcript.n < i + most) finish = transcript.next(top(transcript.n)).finish;
      const tokens = transcript.tokens.slice(i);
      received.addTokens({ i, tokens, text: tokens.map((token) => ` ${token}`).join('') });
      return finish;
    },
    signHead: (headFinish, text = received.text) =>
      signBody(provider, kinds.head, jobId, encodeHead(transcript.head({ text, finish: headFinish }))),
    cancel: (n) => signBody(client, kinds.cancel, jobId, encodeCancel({ v: 1, jobId: Buffer.from(jobId, 'hex'), n })),
    finish() {
      received.accept({ promptTokens, inputDigest });
      while (job.generate(32) === null) received.addHead(job.signHead(255));
      received.addHead(job.signHead(finish ?? 1));
      received.setOpening(signBody(provider, kinds.opening, jobId, encodeOpening(transcript.open(secret))), secret);
      return received;
    },
  };
  return job;
}

function quoteOf(changes: Partial<Quote>, nonce: Uint8Array): Quote {
  return {
    v: 1,
    peer: provider.publicKey,
    client: client.publicKey,
    modelId,
    requestDigest: requestDigestOf(input),
    promptTokens: promptTokens.length,
    maxTokens: 1_000,
    priceIn: 10,
    priceOut: 20,
    execClass: execClassOf(exec),
    pay: null,
    issuedAt: 1_790_000_000_000,
    expiresAt: 1_790_000_060_000,
    nonce,
    ...changes,
  };
}

/** A few more logits than there are candidates, spread over the vocabulary. */
function topLogits(random: Uint8Array, { topK, vocab }: Sampler): TopLogits {
  const count = Math.min(vocab, topK + 3);
  const first = ((random[0] ?? 0) * 256 + (random[1] ?? 0)) % vocab;
  const stride = Math.max(1, Math.floor(vocab / count));
  const ids = Uint32Array.from({ length: count }, (_, at) => (first + at * stride) % vocab);
  const logits = Float32Array.from(
    ids,
    (_, at) => ((random[at % 32] ?? 0) * 256 + (random[(at + 7) % 32] ?? 0)) / 8192,
  );
  return { ids, logits };
}
