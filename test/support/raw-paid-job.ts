import type { TestContext } from 'node:test';
import { fromHex } from '../../src/lib/bytes.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { SignedQuote } from '../../src/node/job/job.ts';
import { fetchQuote, type QuoteRequest } from '../../src/node/job/quote.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { decodeHead, isFinal } from '../../src/proofs/head.ts';
import { type SigningKey, signBody } from '../../src/proofs/signing.ts';
import { requestDigestOf } from '../../src/protocol/digests.ts';
import type { FrameOf } from '../../src/protocol/frames.ts';
import { quotedLamports } from '../../src/protocol/messages/quote.ts';
import {
  type Ack,
  ackStop,
  type Head,
  kinds,
  modes,
  type Offer,
  payFrom,
  type Signed,
} from '../../src/protocol/messages.ts';
import { priceJob } from '../../src/protocol/price.ts';
import { encodeAck } from '../../src/protocol/validate.ts';
import { type TestProvider, testInput, testSampler } from './market.ts';
import type { PayingEscrow } from './paid.ts';
import { startPeer } from './peers.ts';
import { makeOffer, type RawOffer, sendOffer, underQuote } from './raw-offer.ts';

/** A quote for the test's question that asks for a payment by a job account, apart from `change`. */
export function paidQuote(
  provider: TestProvider,
  peer: Peer,
  change: Partial<QuoteRequest> = {},
): Promise<SignedQuote> {
  return fetchQuote(
    { peer, clock: systemClock },
    {
      card: provider.card(),
      model: provider.model(),
      requestDigest: requestDigestOf(testInput),
      mode: modes.merkle,
      pay: payFrom.jobAccount,
      promptTokens: 500,
      maxTokens: testSampler.maxTokens,
      target: provider.address,
      ...change,
    },
  );
}

/** An offer on `quote` that pays all of it from a job account of `payer`, apart from `change`. */
export function paidOffer(
  provider: TestProvider,
  peer: Peer,
  payer: Uint8Array,
  signed: SignedQuote,
  change: Partial<Offer> = {},
): RawOffer {
  const { quote } = signed;
  const model = provider.model();
  return makeOffer(provider, peer, {
    ...underQuote(signed),
    sampler: { ...testSampler, maxTokens: quote.maxTokens, vocab: model.vocab, stops: model.stops, extra: null },
    payment: { pay: payFrom.jobAccount, account: payer, amountLamports: quotedLamports(quote) },
    ...change,
  });
}

/** An acknowledgement of `n` tokens, apart from `change`. */
export function signAck(
  key: SigningKey,
  { jobId }: Pick<RawOffer, 'jobId'>,
  n: number,
  change: Partial<Ack> = {},
): Signed {
  const ack: Ack = {
    version: 1,
    jobId: fromHex(jobId),
    n,
    stop: ackStop.goOn,
    account: new Uint8Array(32),
    committedLamports: 0n,
    releasedLamports: 0n,
    ...change,
  };
  return signBody(key, kinds.ack, jobId, encodeAck(ack));
}

/** A client that keeps only the rules that a test lets it keep, in a paid job. */
export class RawPaidJob {
  readonly raw: RawOffer;
  readonly stream: FrameStream;
  readonly peer: Peer;
  /** Address of the account that pays. */
  readonly account: Uint8Array;
  /** Tokens received. */
  received = 0;
  promptCount = 0;
  /** Every head that came. */
  readonly heads: Signed[] = [];

  constructor(raw: RawOffer, stream: FrameStream, peer: Peer, account: Uint8Array) {
    this.raw = raw;
    this.stream = stream;
    this.peer = peer;
    this.account = account;
  }

  async accept(): Promise<FrameOf<'accept'>> {
    for (;;) {
      const frame = await this.next();
      if (frame.t !== 'accept') continue;
      this.promptCount = frame.promptTokens.length;
      return frame;
    }
  }

  async ack(n: number, change: Partial<Ack> = {}): Promise<void> {
    await this.stream.write({ t: 'ack', ...signAck(this.peer.key, this.raw, n, change) });
  }

  /** Reads until at least `n` tokens have come. */
  async tokens(n: number): Promise<void> {
    while (this.received < n) await this.next();
  }

  /** Reads to the final head. */
  async final(): Promise<Head> {
    for (;;) {
      const frame = await this.next();
      if (frame.t !== 'head') continue;
      const head = decodeHead(frame.body);
      if (isFinal(head)) return head;
    }
  }

  /** Takes the answer to its final head as an honest client does. */
  async receive(): Promise<Head> {
    await this.accept();
    await this.ack(0);
    await this.tokens(1);
    await this.ack(this.received);
    for (;;) {
      const frame = await this.next();
      if (frame.t !== 'head') continue;
      await this.ack(this.received);
      const head = decodeHead(frame.body);
      if (isFinal(head)) return head;
    }
  }

  /** What the job costs with `acked` as its last acknowledgement and `n` tokens under its final head. */
  price(acked: number, n: number): bigint {
    const { terms } = this.raw.offer;
    const counts = { promptCount: this.promptCount, n, ackedTokens: acked, graceTokens: terms.grace, isScore: false };
    return priceJob(counts, terms);
  }

  /** Reads the next frame. */
  async next() {
    const frame = await this.stream.read(['accept', 'tokens', 'head', 'beat', 'busy', 'error']);
    if (frame === null) throw new Error('the provider closed the stream');
    if (frame.t === 'busy') throw new Error('busy');
    if (frame.t === 'error') throw new Error(`${frame.code}: ${frame.message}`);
    if (frame.t === 'tokens') this.received += frame.tokens.length;
    if (frame.t === 'head') this.heads.push({ body: frame.body, sig: frame.sig });
    return frame;
  }
}

/** Locks the payment of a job of `maxTokens` tokens and sends its offer, apart from `change`. */
export async function openRawPaidJob(
  context: TestContext,
  { provider, authority, buyer }: { provider: TestProvider; authority: Uint8Array; buyer: PayingEscrow },
  { maxTokens = 400, change = {} }: { readonly maxTokens?: number; readonly change?: Partial<Offer> } = {},
  client?: Peer,
): Promise<RawPaidJob> {
  const peer = client ?? (await startPeer(context, { role: 'client' }));
  const raw = paidOffer(provider, peer, buyer.wallet, await paidQuote(provider, peer, { maxTokens }), change);
  await buyer.createJob({ authority, offer: raw.signed.body });
  const stream = await sendOffer(provider, peer, raw);
  context.after(() => stream.abort(new Error('the test is over')));
  return new RawPaidJob(raw, stream, peer, buyer.jobAddress(buyer.wallet, fromHex(raw.jobId)));
}
