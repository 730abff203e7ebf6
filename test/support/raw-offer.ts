import { randomBytes } from 'node:crypto';
import type { JobId } from '../../src/lib/types.ts';
import type { SignedQuote } from '../../src/node/job/job.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { decodeHead, isFinal } from '../../src/proofs/head.ts';
import { type SigningKey, signBody } from '../../src/proofs/signing.ts';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import type { Frame, FrameOf, FrameType } from '../../src/protocol/frames.ts';
import { extraDigestOf } from '../../src/protocol/messages/extra.ts';
import {
  type Head,
  type Input,
  kinds,
  modes,
  type Offer,
  type OfferTerms,
  payFrom,
  type Signed,
} from '../../src/protocol/messages.ts';
import { encodeOffer } from '../../src/protocol/validate.ts';
import { type TestProvider, testInput, testSampler } from './market.ts';
import { testSeed } from './seeds.ts';

export interface RawOffer {
  readonly offer: Offer;
  readonly jobId: JobId;
  readonly signed: Signed;
  readonly input: Input;
  readonly extra: Uint8Array;
  readonly grammar: unknown;
  readonly secret: Uint8Array;
}

/** What travels with an offer, and who signs it. */
export interface RawOfferInit {
  readonly input?: Input | undefined;
  /** @default the client's */
  readonly key?: SigningKey | undefined;
  readonly extra?: Uint8Array | undefined;
  readonly grammar?: unknown;
}

const noTerms: OfferTerms = {
  promptTokens: 0,
  priceJobLamports: 0n,
  priceInLamports: 0n,
  priceOutLamports: 0n,
  grace: 0,
  deliverWithinS: 0,
};

/** A valid offer of `client` to `provider`, apart from `change`; signed by `key`. */
export function makeOffer(
  provider: TestProvider,
  client: Peer,
  change: Partial<Offer> = {},
  { input = testInput, key = client.key, extra = new Uint8Array(), grammar = null }: RawOfferInit = {},
): RawOffer {
  const model = provider.model();
  const { card } = provider.card();
  const secret = Uint8Array.from(randomBytes(32));
  const now = Date.now();
  const offer: Offer = {
    version: 1,
    client: client.key.publicKey,
    provider: card.peer,
    modelId: model.id,
    execClass: card.execClass ?? new Uint8Array(32),
    requestDigest: requestDigestOf(input),
    quote: null,
    seed: testSeed,
    sampler: { ...testSampler, vocab: model.vocab, stops: model.stops, extra: extraDigestOf(extra) },
    start: input.continuation.length,
    challenge: { commit: sha256(secret), count: 16 },
    mode: modes.merkle,
    payment: { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n },
    terms: noTerms,
    issuedAt: BigInt(now),
    expiresAt: BigInt(now + 60_000),
    nonce: Uint8Array.from(randomBytes(16)),
    ...change,
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  return { offer, jobId, signed: signBody(key, kinds.offer, jobId, body), input, extra, grammar, secret };
}

/** The fields by which an offer takes a quote up; it pays nothing yet. */
export function underQuote({ quote, signed }: SignedQuote): Pick<Offer, 'quote' | 'terms'> {
  return {
    quote: sha256(signed.body),
    terms: {
      promptTokens: quote.promptTokens,
      priceJobLamports: BigInt(quote.priceJob),
      priceInLamports: BigInt(quote.priceIn),
      priceOutLamports: BigInt(quote.priceOut),
      grace: quote.grace,
      deliverWithinS: quote.deliverWithin,
    },
  };
}

/** Sends the offer on a new stream. */
export async function sendOffer(
  provider: TestProvider,
  client: Peer,
  { signed, input, extra, grammar }: RawOffer,
): Promise<FrameStream> {
  const stream = await client.open(provider.address, jobProtocol);
  await stream.write({ t: 'offer', ...signed, input, extra, grammar });
  return stream;
}

/** The next frame of type `t`, and the frames before it. @throws Error if the stream ends first */
export async function readUntil<T extends FrameType>(
  stream: FrameStream,
  t: T,
): Promise<{ readonly found: FrameOf<T>; readonly before: readonly Frame[] }> {
  const before: Frame[] = [];
  for (;;) {
    const frame: Frame | null = await stream.read([
      'accept',
      'tokens',
      'head',
      'beat',
      'busy',
      'error',
      'opening',
      'quote',
    ]);
    if (frame === null)
      throw new Error(`the stream ended without ${t}; there were: ${before.map((each) => each.t).join(', ')}`);
    if (frame.t === t) return { found: frame as FrameOf<T>, before };
    before.push(frame);
  }
}

/** The final head. */
export async function readFinal(stream: FrameStream): Promise<Head> {
  for (;;) {
    const { found } = await readUntil(stream, 'head');
    const head = decodeHead(found.body);
    if (isFinal(head)) return head;
  }
}

/** The first frame that is not a heartbeat. */
export async function firstFrame(stream: FrameStream): Promise<Frame | null> {
  for (;;) {
    const frame = await stream.read(['accept', 'tokens', 'head', 'beat', 'busy', 'error', 'opening', 'quote']);
    if (frame?.t !== 'beat') return frame;
  }
}
