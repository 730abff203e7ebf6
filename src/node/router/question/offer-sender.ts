import { QvacError } from '../../../errors.ts';
import { raceSignal } from '../../../lib/abort.ts';
import { requestDigestOf } from '../../../protocol/digests.ts';
import type { FrameOf, RouteFrame } from '../../../protocol/frames.ts';
import { priceLamports } from '../../../protocol/price.ts';
import type { VerifiedCard } from '../../cards/cards.ts';
import type { Job, SignedQuote } from '../../job/job.ts';
import { type JobComponents, openJob } from '../../job/open-job.ts';
import { fetchQuote } from '../../job/quote.ts';
import { mayBeTooLong } from '../../job/too-long.ts';
import type { SpendingAllowance } from '../../payment/spending-limits.ts';
import type { Choice } from '../../selection/select.ts';
import type { ClientStream } from '../client-stream.ts';
import type { Commits } from '../commits.ts';
import { maxRouteTimeoutMs, paidAcceptMs } from '../constants.ts';
import { RouteFailure } from '../failure.ts';
import { PaidOffer } from '../payment/paid-offer.ts';
import type { Probes } from '../probes.ts';
import type { Candidates, CandidatesComponents } from './candidates.ts';

export interface OfferSenderComponents extends JobComponents, Pick<CandidatesComponents, 'reputation'> {
  readonly probes: Probes;
  readonly commits: Commits;
}

/** A provider that holds the offer, and why it was chosen. */
export interface OpenedJob {
  readonly choice: Choice;
  readonly job: Job;
  readonly paid: PaidOffer | null;
}

/** Sends the offer of one question to one provider after another. */
export class OfferSender {
  readonly #components: OfferSenderComponents;
  readonly #route: RouteFrame;
  readonly #person: ClientStream;
  readonly #candidates: Candidates;
  #purse: SpendingAllowance | null = null;
  #tries = 0;

  constructor(components: OfferSenderComponents, route: RouteFrame, person: ClientStream, candidates: Candidates) {
    this.#components = components;
    this.#route = route;
    this.#person = person;
    this.#candidates = candidates;
  }

  /** Providers that the input was sent to. */
  get tries(): number {
    return this.#tries;
  }

  /** Without one, none is asked that wants to be paid. */
  payWith(purse: SpendingAllowance): void {
    this.#purse = purse;
  }

  /**
   * Sends the offer, on the provider's card of this moment: one that is dead or frozen is found out before the input
   * goes
   * to it, and no offer names a class or a price of yesterday.
   * @returns why there is no job with it
   */
  async offer({ card: { peer }, model }: Choice, over: AbortSignal): Promise<OpenedJob | Error> {
    const { probes, reputation } = this.#components;
    let card: VerifiedCard | null = null;
    let paid: PaidOffer | null = null;
    try {
      card = await raceSignal(probes.card(peer), over);
      const choice = this.#candidates.renew(card);
      const quote = choice.priceLamports === 0n ? null : await this.#quote(choice, over);
      paid = quote?.quote.pay == null || this.#purse === null ? null : new PaidOffer(this.#purse, quote.quote);
      const job = await this.#open(choice, quote, paid, over);
      await this.#person.send(pickedFrame(job, choice.card, quote));
      return { choice, job, paid };
    } catch (error) {
      paid?.abandon();
      over.throwIfAborted();
      if (error instanceof RouteFailure) return error;
      if (!(error instanceof QvacError)) throw error;
      if (card !== null && !mayBeTooLong(error, model, this.#route.input, this.#route.sampler.maxTokens))
        reputation.record(peer, { kind: error.code === 'E_BUSY' ? 'busy' : 'aborted' });
      return error;
    }
  }

  /** The provider's word on the price, within what the person allows. */
  async #quote({ card, model }: Choice, signal: AbortSignal): Promise<SignedQuote> {
    const { input, sampler, maxPrice } = this.#route;
    // What does not fit beside the answer is refused anyway, and is not to be paid for.
    const promptTokens = Math.min(this.#candidates.promptTokens, model.context - sampler.maxTokens);
    const signed = await fetchQuote(
      this.#components,
      { card, model, requestDigest: requestDigestOf(input), promptTokens, maxTokens: sampler.maxTokens },
      { signal },
    );
    const { quote } = signed;
    const price = priceLamports({
      promptCount: quote.promptTokens,
      n: sampler.maxTokens,
      priceIn: quote.priceIn,
      priceOut: quote.priceOut,
    });
    if (price > BigInt(maxPrice))
      throw new RouteFailure('too-dear', `the best offer may cost more than ${maxPrice} lamports`);
    if (quote.pay !== null && this.#purse === null)
      throw new RouteFailure('limit', 'the best offer wants to be paid, and this router pays nobody');
    return signed;
  }

  async #open(
    { card, model }: Choice,
    quote: SignedQuote | null,
    paid: PaidOffer | null,
    signal: AbortSignal,
  ): Promise<Job> {
    const { input, sampler, seed, commit, count, mode, maxPrice } = this.#route;
    const payment = await paid?.plan({ maxTokens: sampler.maxTokens, maxPrice }, { signal });
    this.#components.commits.add(commit, card.peer);
    this.#tries += 1;
    // The attempt watches the time to the first token, and the deadline the whole.
    const timeouts = {
      firstTokenMs: maxRouteTimeoutMs,
      totalMs: maxRouteTimeoutMs,
      ...(paid === null ? {} : { acceptMs: paidAcceptMs }),
    };
    return openJob(
      this.#components,
      { card, model, input, sampler, seed, commit, count, mode, quote, ...payment, timeouts },
      { signal },
    );
  }
}

function pickedFrame({ offerSigned }: Job, card: VerifiedCard, quote: SignedQuote | null): FrameOf<'picked'> {
  return {
    t: 'picked',
    offer: offerSigned.body,
    offerSig: offerSigned.sig,
    quote: quote?.signed.body ?? null,
    quoteSig: quote?.signed.sig ?? null,
    card: card.body,
    cardSig: card.sig,
  };
}
