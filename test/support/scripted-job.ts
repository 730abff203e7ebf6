import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { createReceived, type Received } from '../../src/proofs/received.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createTranscript, type DrawnToken, type Transcript } from '../../src/proofs/transcript.ts';
import { execClassOf, inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import { grammarDigestOf } from '../../src/protocol/grammar/rules.ts';
import { extraDigestOf } from '../../src/protocol/messages/extra.ts';
import {
  type AckStop,
  ackStop,
  type Exec,
  type ExtraSettings,
  type Finish,
  finish,
  type GrammarRules,
  type Input,
  kinds,
  modes,
  type Offer,
  payFrom,
  type Quote,
  type Sampler,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeAck, encodeExtra, encodeOffer, encodeOpening, encodeQuote } from '../../src/protocol/validate.ts';

/** Both sides of a job without a network or a model, its logits made from a number. */

export const client = signingKeyFromSeed(sha256(utf8('client')));
export const provider = signingKeyFromSeed(sha256(utf8('provider')));

const exec: Exec = {
  engine: 'llama.cpp b4000',
  backend: 'cpu',
  kernels: 'AVX2',
  threads: 0,
  batch: 63,
  promptBatch: 512,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
};
const plainInput: Input = {
  messages: [{ role: 'user', content: 'Zażółć 🦙' }],
  template: 'gguf',
  options: { thinking: false },
  tools: null,
  date: null,
  continuation: [],
};
const modelId = sha256(utf8('model'));
/** Of the rendered input; a continuation follows. */
export const renderedTokens: readonly number[] = [3, 1, 4, 1, 5];

const defaultSampler: Sampler = {
  temperature: 70,
  minP: 5,
  topP: 100,
  topK: 20,
  maxTokens: 64,
  vocab: 300,
  stops: [0],
  extra: null,
};

/** A letter of two bytes with a blank for most tokens; every seventh adds half a character. */
export const vocabulary = new Vocabulary(
  Array.from({ length: defaultSampler.vocab }, (_, id) => {
    if (id === 0) return new Uint8Array();
    if (id % 7 === 0) return Uint8Array.of(0xc3);
    return utf8(` ${id.toString(36)}`);
  }),
);

export interface ScriptedJobInit {
  /** Everything random comes from it. */
  readonly number: number;
  readonly sampler?: Partial<Sampler> | undefined;
  readonly settings?: ExtraSettings | undefined;
  readonly grammar?: GrammarRules | undefined;
  readonly continuation?: readonly number[] | undefined;
  readonly previous?: JobId | undefined;
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
  readonly promptTokens: readonly number[];
  readonly inputDigest: Uint8Array;
  readonly transcript: Transcript;
  readonly received: Received;
  /** What the model gives at step `at` of the answer; with a grammar, of allowed tokens. */
  top(at: number): TopLogits;
  accept(): void;
  /** Draws, sends and receives up to `most` tokens with their text; the reason why the answer has ended, else null. */
  generate(most: number): Finish | null;
  signHead(reason: Finish): Signed;
  ack(n: number, stop?: AckStop): Signed;
  /** Ends the text and the job. */
  end(reason: Finish): void;
  /** The whole way from the accept to the opening. */
  finish(): Received;
}

export function createScriptedJob(init: ScriptedJobInit): ScriptedJob {
  const { continuation = [], grammar, settings: given = {} } = init;
  const random = (name: string): Uint8Array => sha256(utf8(`${name} ${init.number}`));
  const secret = random('secret');
  const settings: ExtraSettings =
    grammar === undefined ? given : { ...given, grammar: grammarDigestOf(grammar), vocabDigest: vocabulary.digest };
  const extra = encodeExtra(settings);
  const sampler = { ...defaultSampler, ...init.sampler, extra: extraDigestOf(extra) };
  const input = { ...plainInput, continuation };
  const quote: Quote | null = init.quote ? quoteOf(init.quote, input, random('nonce').slice(16)) : null;
  const quoteSigned = quote && signBody(provider, kinds.quote, null, encodeQuote(quote));
  const offer: Offer = {
    version: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId,
    execClass: execClassOf(exec),
    requestDigest: requestDigestOf(input),
    quote: quoteSigned && sha256(quoteSigned.body),
    seed: random('seed'),
    sampler,
    challenge: { commit: sha256(secret), count: init.count ?? 16 },
    mode: modes.merkle,
    start: continuation.length,
    payment: { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n },
    terms: {
      promptTokens: quote?.promptTokens ?? 0,
      priceJobLamports: BigInt(quote?.priceJob ?? 0),
      priceInLamports: BigInt(quote?.priceIn ?? 0),
      priceOutLamports: BigInt(quote?.priceOut ?? 0),
      grace: quote?.grace ?? 0,
      deliverWithinS: quote?.deliverWithin ?? 0,
    },
    issuedAt: 1_790_000_000_000n,
    expiresAt: 1_790_000_060_000n,
    nonce: random('nonce').slice(0, 16),
    ...init.offer,
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const offerSigned = signBody(client, kinds.offer, jobId, body);
  const promptTokens = [...renderedTokens, ...continuation];
  const inputDigest = inputDigestOf(modelId, promptTokens);
  const createMatcher = (): GrammarMatcher | null =>
    grammar === undefined ? null : createGrammarMatcher({ rules: grammar, vocabulary, stops: sampler.stops });
  const transcript = createTranscript({
    jobId,
    offer,
    settings,
    continuation,
    inputDigest,
    promptCount: promptTokens.length,
    execClass: offer.execClass,
    jobSecret: random('salts'),
    bytesOf: (token) => vocabulary.bytesOf(token),
    matcher: createMatcher(),
  });
  const received = createReceived({
    offer,
    offerSigned,
    quote: quote && quoteSigned && { quote, signed: quoteSigned },
    exec,
    input,
    continuation,
    extra,
    grammar: grammar ?? null,
    previous: init.previous ?? null,
  });
  const follower = createMatcher();
  for (const token of continuation) follower?.accept(token);
  const top = (at: number): TopLogits => {
    const all = topLogits(sha256(utf8(`logits ${at}`)), sampler, follower === null ? sampler.topK + 3 : sampler.vocab);
    return follower === null ? all : allowedAmong(all, follower);
  };
  const next = (): DrawnToken => {
    const drawn = transcript.next(top(offer.start + transcript.n));
    follower?.accept(drawn.token);
    return drawn;
  };

  const job: ScriptedJob = {
    jobId,
    offer,
    offerSigned,
    secret,
    promptTokens,
    inputDigest,
    transcript,
    received,
    top,
    accept: () => received.accept({ promptTokens, inputDigest, tail: 'assistant' }),
    generate(most) {
      const i = transcript.n;
      const pieces: string[] = [];
      while (transcript.finish === null && transcript.n < i + most) pieces.push(next().text);
      received.addTokens({ i, tokens: transcript.tokens.slice(i), text: pieces.join('') });
      return transcript.finish;
    },
    signHead: (reason) => signBody(provider, kinds.head, jobId, encodeHead(transcript.head(reason))),
    ack: (n, stop = ackStop.goOn) =>
      signBody(
        client,
        kinds.ack,
        jobId,
        encodeAck({
          version: 1,
          jobId: fromHex(jobId),
          n,
          stop,
          account: new Uint8Array(32),
          committedLamports: 0n,
          releasedLamports: 0n,
        }),
      ),
    end(reason) {
      received.addTokens({ i: transcript.n, tokens: [], text: transcript.end(reason) });
      received.addHead(job.signHead(reason));
    },
    finish() {
      job.accept();
      while (job.generate(32) === null) received.addHead(job.signHead(finish.notFinal));
      job.end(transcript.finish ?? finish.length);
      received.setOpening(signBody(provider, kinds.opening, jobId, encodeOpening(transcript.open(secret))), secret);
      return received;
    },
  };
  return job;
}

function quoteOf(changes: Partial<Quote>, input: Input, nonce: Uint8Array): Quote {
  return {
    v: 1,
    peer: provider.publicKey,
    client: client.publicKey,
    modelId,
    requestDigest: requestDigestOf(input),
    mode: modes.merkle,
    promptTokens: renderedTokens.length + input.continuation.length,
    maxTokens: 1_000,
    priceJob: 5,
    priceIn: 10,
    priceOut: 20,
    grace: 64,
    deliverWithin: 600,
    execClass: execClassOf(exec),
    pay: null,
    issuedAt: 1_790_000_000_000,
    expiresAt: 1_790_000_060_000,
    nonce,
    ...changes,
  };
}

/** `count` logits spread over the vocabulary, or one for each of its tokens. */
function topLogits(random: Uint8Array, { vocab }: Sampler, count: number): TopLogits {
  const many = Math.min(vocab, count);
  const first = ((random[0] ?? 0) * 256 + (random[1] ?? 0)) % vocab;
  const stride = Math.max(1, Math.floor(vocab / many));
  const ids = Uint32Array.from({ length: many }, (_, at) => (first + at * stride) % vocab);
  const logits = Float32Array.from(
    ids,
    (_, at) => ((random[at % 32] ?? 0) * 256 + (random[(at + 7) % 32] ?? 0)) / 8192,
  );
  return { ids, logits };
}

function allowedAmong({ ids, logits }: TopLogits, matcher: GrammarMatcher): TopLogits {
  const places = [...ids.keys()].filter((at) => matcher.allows(ids[at] ?? 0));
  return {
    ids: Uint32Array.from(places, (at) => ids[at] ?? 0),
    logits: Float32Array.from(places, (at) => logits[at] ?? 0),
  };
}
