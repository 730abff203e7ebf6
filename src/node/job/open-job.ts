import { randomBytes } from 'node:crypto';
import { QvacError, toError } from '../../errors.ts';
import { type Clock, systemTimer, type Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createReceived } from '../../proofs/received.ts';
import { signBody } from '../../proofs/signing.ts';
import { embedProtocol, jobProtocol } from '../../protocol/constants.ts';
import { jobIdOf, requestDigestOf, sha256 } from '../../protocol/digests.ts';
import { decodeExtra, extraDigestOf } from '../../protocol/messages/extra.ts';
import {
  kinds,
  modes,
  type Offer,
  type OfferTerms,
  type Payment,
  payFrom,
  type Quote,
} from '../../protocol/messages.ts';
import { encodeOffer } from '../../protocol/validate.ts';
import type { Peer } from '../peer/peer.ts';
import type { FrameStream } from '../streams/streams.ts';
import { DirectJob } from './direct-job.ts';
import { defaultTimeouts, type Job, type JobInit } from './job.ts';

export interface JobComponents {
  readonly peer: Peer;
  readonly clock: Clock;
  /** Measures the provider's deadlines. @default the system's */
  readonly timer?: Pick<Timer, 'delay'> | undefined;
  readonly logger: Logger;
}

/** How long an offer is valid, in ms: well above the time to its accept, since clocks differ. */
const offerLifeMs = 120_000;

/**
 * Sends a signed offer to the card's provider.
 *
 * ```ts
 * const job = await openJob({ peer, clock, logger }, { card, model, input, sampler, seed, commit: sha256(secret),
 * count: 16, mode: modes.merkle });
 * for await (const frame of job.frames()) if (frame.t === 'tokens') process.stdout.write(frame.text);
 * const opening = await job.challenge(secret);
 * ```
 * @param options `signal` stops the dial and the sending only; a running job ends by `cancel` or `abort`
 * @throws QvacError E_NETWORK if the provider cannot be reached; the errors of `lock`
 */
export async function openJob(
  { peer, clock, timer = systemTimer, logger }: JobComponents,
  init: JobInit,
  options: AbortOptions = {},
): Promise<Job> {
  const { card, model, sampler, input, quote = null, grammar = null, previous = null } = init;
  const extra = init.extra ?? new Uint8Array();
  const { execClass, exec } = card.card;
  if (execClass === null) throw new QvacError('E_BAD_PEER', `${shortPeer(card.peer)} is not a provider`);
  const issuedAt = clock.now();
  const offer: Offer = {
    version: 1,
    client: peer.key.publicKey,
    provider: card.card.peer,
    modelId: model.id,
    execClass: quote?.quote.execClass ?? execClass,
    requestDigest: requestDigestOf(input),
    quote: quote === null ? null : sha256(quote.signed.body),
    seed: init.seed,
    sampler: { ...sampler, vocab: model.vocab, stops: model.stops, extra: extraDigestOf(extra) },
    // A score job's continuation is the answer that it scores.
    start: init.mode === modes.score ? 0 : input.continuation.length,
    challenge: { commit: init.commit, count: init.count },
    mode: init.mode,
    payment: init.payment ?? noPayment,
    terms: quote === null ? noTerms : termsOf(quote.quote),
    issuedAt: BigInt(issuedAt),
    expiresAt: BigInt(issuedAt + offerLifeMs),
    nonce: randomBytes(16),
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const offerSigned = signBody(peer.key, kinds.offer, jobId, body);
  const { continuation } = input;
  const { embed: dimensions = null } = decodeExtra(extra, model.vocab);
  const protocol = dimensions === null ? jobProtocol : embedProtocol;
  const received = createReceived({
    offer,
    offerSigned,
    quote,
    exec,
    input,
    continuation,
    extra,
    dimensions,
    grammar,
    previous,
  });
  const totals = (await init.lock?.({ jobId, offer, offerSigned })) ?? null;
  const target = init.target ?? card.peer;
  const stream = await peer.open(target, protocol, { ...options, eager: true });
  try {
    await stream.write({ t: 'offer', body, sig: offerSigned.sig, input, extra, grammar }, options);
  } catch (error) {
    stream.abort(toError(error));
    throw error;
  }
  const reopen = (signal: AbortSignal): Promise<FrameStream> => peer.open(target, protocol, { signal });
  const timeouts = { ...defaultTimeouts, ...init.timeouts };
  const unansweredMs = (): number => peer.unansweredMs(card.peer);
  return new DirectJob(
    { stream, reopen, unansweredMs, watchNetwork: () => peer.watchNetwork(card.peer), key: peer.key, timer, logger },
    { jobId, offer, offerSigned, received, timeouts, totals, encodePrompt: init.encodePrompt ?? null },
  );
}

const noPayment: Payment = { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n };

const noTerms: OfferTerms = {
  promptTokens: 0,
  priceJobLamports: 0n,
  priceInLamports: 0n,
  priceOutLamports: 0n,
  grace: 0,
  deliverWithinS: 0,
};

function termsOf({ promptTokens, priceJob, priceIn, priceOut, grace, deliverWithin }: Quote): OfferTerms {
  return {
    promptTokens,
    priceJobLamports: BigInt(priceJob),
    priceInLamports: BigInt(priceIn),
    priceOutLamports: BigInt(priceOut),
    grace,
    deliverWithinS: deliverWithin,
  };
}
