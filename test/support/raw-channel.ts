import type { TestContext } from 'node:test';
import type { ChannelAccount } from '../../src/escrow/accounts.ts';
import { toHex } from '../../src/lib/bytes.ts';
import type { ChannelId } from '../../src/lib/types.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { type SigningKey, signBody } from '../../src/proofs/signing.ts';
import { channelProtocol } from '../../src/protocol/constants.ts';
import { jobIdHex } from '../../src/protocol/digests.ts';
import type { ProposeFrame } from '../../src/protocol/frames.ts';
import { channelIdOf } from '../../src/protocol/layouts/channel-terms.ts';
import { quotedLamports } from '../../src/protocol/messages/quote.ts';
import {
  type Ack,
  ackStop,
  kinds,
  type Mode,
  modes,
  type Offer,
  payFrom,
  type Result,
  type Signed,
} from '../../src/protocol/messages.ts';
import { priceJob } from '../../src/protocol/price.ts';
import { encodeAck, encodeVerdict } from '../../src/protocol/validate.ts';
import type { TestProvider } from './market.ts';
import type { PayingEscrow } from './paid.ts';
import { startPeer } from './peers.ts';
import { type RawOffer, sendOffer } from './raw-offer.ts';
import { paidOffer, paidQuote, RawPaidJob } from './raw-paid-job.ts';

/** Proposes a channel. @throws Error with the provider's code and message if it refuses */
export async function proposeTerms(
  provider: TestProvider,
  peer: Peer,
  { payer, ...proposal }: Omit<ProposeFrame, 't'>,
): Promise<Signed> {
  const stream = await peer.open(provider.address, channelProtocol);
  try {
    await stream.write({ t: 'propose', payer, ...proposal });
    const frame = await stream.read(['terms', 'busy', 'error']);
    if (frame?.t === 'terms') return { body: frame.body, sig: frame.sig };
    throw new Error(frame?.t === 'error' ? `${frame.code}: ${frame.message}` : (frame?.t ?? 'no terms'));
  } finally {
    await stream.close();
  }
}

export interface RawChannelInit {
  /** @default 0.02 SOL */
  readonly deposit?: number;
  /** @default a tenth of the deposit */
  readonly window?: number;
  /** @default an hour */
  readonly lifeS?: number;
  /** @default a new one */
  readonly peer?: Peer;
}

/** Opens a channel as a client does that keeps only the rules that a test lets it keep. */
export async function openRawChannel(
  context: TestContext,
  { provider, buyer }: { readonly provider: TestProvider; readonly buyer: PayingEscrow },
  { deposit = 20_000_000, window = deposit / 10, lifeS = 3_600, ...init }: RawChannelInit = {},
): Promise<RawChannel> {
  const peer = init.peer ?? (await startPeer(context, { role: 'client' }));
  const expiresAt = Math.floor((await buyer.now()) / 1_000) + lifeS;
  const terms = await proposeTerms(provider, peer, { payer: buyer.wallet, deposit, window, expiresAt });
  await buyer.openChannel(terms);
  return new RawChannel(context, provider, peer, buyer, terms);
}

/** A channel whose totals its client counts honestly, apart from what a test changes. */
export class RawChannel {
  readonly provider: TestProvider;
  readonly peer: Peer;
  readonly buyer: PayingEscrow;
  readonly terms: Signed;
  readonly id: Uint8Array;
  readonly #context: TestContext;
  readonly #prices = new Map<RawChannelJob, bigint>();
  readonly #released = new Set<RawChannelJob>();

  constructor(context: TestContext, provider: TestProvider, peer: Peer, buyer: PayingEscrow, terms: Signed) {
    this.#context = context;
    this.provider = provider;
    this.peer = peer;
    this.buyer = buyer;
    this.terms = terms;
    this.id = channelIdOf(terms.body);
  }

  get name(): ChannelId {
    return toHex(this.id) as ChannelId;
  }

  get address(): Uint8Array {
    return this.buyer.channelAddress(this.id);
  }

  get committed(): bigint {
    return [...this.#prices.values()].reduce((sum, price) => sum + price, 0n);
  }

  get released(): bigint {
    return [...this.#released].reduce((sum, job) => sum + (this.#prices.get(job) ?? 0n), 0n);
  }

  async account(): Promise<ChannelAccount> {
    const account = await this.buyer.channel(this.address);
    if (account === null) throw new Error('the channel is closed');
    return account;
  }

  /** Sends an offer that pays from the channel, apart from `change`. */
  async offer({ maxTokens = 40, mode = modes.merkle, change = {} }: RawChannelJobInit = {}): Promise<RawChannelJob> {
    const { provider, peer } = this;
    const signed = await paidQuote(provider, peer, { maxTokens, mode, pay: payFrom.channel });
    const payment = { pay: payFrom.channel, account: this.id, amountLamports: quotedLamports(signed.quote) };
    const raw = paidOffer(provider, peer, this.id, signed, { payment, mode, ...change });
    const stream = await sendOffer(provider, peer, raw);
    this.#context.after(() => stream.abort(new Error('the test is over')));
    return new RawChannelJob(this, raw, stream);
  }

  /** An answer that is received, found good and released. */
  async answer(init: RawChannelJobInit = {}): Promise<RawChannelJob> {
    const job = await this.offer(init);
    await job.receive();
    await job.conclude('pass');
    return job;
  }

  commit(job: RawChannelJob, price: bigint): void {
    this.#prices.set(job, price);
  }

  release(job: RawChannelJob): void {
    this.#released.add(job);
  }

  /** Sends totals outside the stream of a job; empty if they are taken, else the provider's code and message. */
  async send(change: Partial<Ack> = {}, key: SigningKey = this.peer.key): Promise<string> {
    const stream = await this.peer.open(this.provider.address, channelProtocol);
    try {
      await stream.write({ t: 'ack', ...this.sign(change, key) });
      const frame = await stream.read(['busy', 'error']);
      return frame === null ? '' : frame.t === 'busy' ? 'busy' : `${frame.code}: ${frame.message}`;
    } finally {
      await stream.close();
    }
  }

  /** @param change by default the acknowledgement that closes the channel */
  sign(change: Partial<Ack> = {}, key: SigningKey = this.peer.key): Signed {
    const ack: Ack = {
      version: 1,
      jobId: new Uint8Array(32),
      n: 0,
      stop: ackStop.noObjection,
      account: this.id,
      committedLamports: this.committed,
      releasedLamports: this.released,
      ...change,
    };
    const jobId = ack.stop === ackStop.noObjection ? null : jobIdHex(ack.jobId);
    return signBody(key, kinds.ack, jobId, encodeAck(ack));
  }
}

export interface RawChannelJobInit {
  readonly maxTokens?: number;
  readonly mode?: Mode;
  readonly change?: Partial<Offer>;
}

/** A job that is paid from a channel: every acknowledgement carries the channel's totals. */
export class RawChannelJob extends RawPaidJob {
  readonly channel: RawChannel;

  constructor(channel: RawChannel, raw: RawOffer, stream: FrameStream) {
    super(raw, stream, channel.peer, channel.address);
    this.channel = channel;
  }

  /** What the job costs for `n` acknowledged tokens: in a channel there is no grace. */
  priceAt(n: number): bigint {
    const counts = { promptCount: this.promptCount, n, ackedTokens: n, graceTokens: 0, isScore: false };
    return priceJob(counts, this.raw.offer.terms);
  }

  override async ack(n: number, change: Partial<Ack> = {}): Promise<void> {
    const { channel } = this;
    channel.commit(this, this.priceAt(n));
    const { committed, released, id } = channel;
    await super.ack(n, { account: id, committedLamports: committed, releasedLamports: released, ...change });
  }

  async challenge(): Promise<void> {
    await this.stream.write({ t: 'challenge', secret: this.raw.secret });
    for (;;) {
      const frame = await this.stream.read(['opening', 'head', 'beat']);
      if (frame === null) throw new Error('the stream ended without an opening');
      if (frame.t === 'opening') return;
    }
  }

  async verdict(result: Result): Promise<void> {
    const { peer, raw, heads } = this;
    const root = heads.at(-1)?.body.slice(37, 69) ?? new Uint8Array(32);
    const body = encodeVerdict({
      v: 1,
      jobId: Uint8Array.from(Buffer.from(raw.jobId, 'hex')),
      root,
      verifier: peer.key.publicKey,
      result,
      tier: 'sampling',
      count: 0,
      meanTv: null,
      maxTv: null,
      rmsDq: null,
      meanMiss: null,
      faults: result === 'fail' ? ['silence'] : [],
      execClass: null,
      calibration: null,
      referees: [],
      at: Date.now(),
    });
    await this.stream.write({ t: 'verdict', ...signBody(peer.key, kinds.verdict, raw.jobId, body) });
  }

  /** The verdict, and unless it is a fail the release; the stream ends. */
  async conclude(result: Result): Promise<void> {
    await this.verdict(result);
    if (result !== 'fail') {
      this.channel.release(this);
      await this.ack(this.received);
    }
    await this.end();
  }

  /** Closes this side, and waits until the provider has taken all that was sent. */
  async end(): Promise<void> {
    await this.stream.close();
    while ((await this.stream.read(['tokens', 'head', 'beat', 'error', 'busy'])) !== null);
  }
}
