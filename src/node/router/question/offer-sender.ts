import { QvacError } from '../../../errors.ts';
import { raceSignal } from '../../../lib/abort.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { maxTriedProviders } from '../../../protocol/constants.ts';
import type { FrameOf, RouteFrame } from '../../../protocol/frames.ts';
import { inputFor } from '../../../protocol/input/system-in-turn.ts';
import { quotedLamports } from '../../../protocol/messages/quote.ts';
import { payFrom } from '../../../protocol/messages.ts';
import type { VerifiedCard } from '../../cards/cards.ts';
import { maxExtraBytes, offeredExtra } from '../../job/answer-extra.ts';
import type { Job, JobInit, SignedQuote } from '../../job/job.ts';
import { type JobComponents, openJob } from '../../job/open-job.ts';
import { quoteAnswer } from '../../job/quote.ts';
import { RemoteError } from '../../job/remote-error.ts';
import { mayBeTooLong } from '../../job/too-long.ts';
import { JobPayment, paidAcceptMs } from '../../payment/job-payment.ts';
import { experienceOf } from '../../selection/learning.ts';
import type { Choice } from '../../selection/select.ts';
import type { Verifier } from '../../verification/verifier.ts';
import type { SpendingAllowance } from '../allowances.ts';
import type { ClientStream } from '../client-stream.ts';
import type { Commits } from '../commits.ts';
import { maxRouteTimeoutMs } from '../constants.ts';
import { RouteFailure } from '../failure.ts';
import type { Probes } from '../probes.ts';
import type { Candidates, CandidatesComponents } from './candidates.ts';
import type { RoutedAnswer } from './routed-answer.ts';

export interface OfferSenderComponents extends JobComponents, Pick<CandidatesComponents, 'reputation'> {
  readonly probes: Probes;
  readonly commits: Commits;
  readonly verifier: Verifier;
}

/** A job whose provider has received the offer. */
export interface OpenedJob {
  readonly choice: Choice;
  readonly job: Job;
  readonly payment: JobPayment | null;
}

/** Sends the offer of one question to providers, one after another. */
export class OfferSender {
  readonly #components: OfferSenderComponents;
  readonly #route: RouteFrame;
  readonly #client: PeerIdString;
  readonly #clientStream: ClientStream;
  readonly #candidates: Candidates;
  readonly #answer: RoutedAnswer;
  #allowance: SpendingAllowance | null = null;
  #tries = 0;
  /** At the newest token. */
  #triesBefore = 0;

  /** @param client the peer that asked; payments count against its limit */
  constructor(
    components: OfferSenderComponents,
    route: RouteFrame,
    client: PeerIdString,
    clientStream: ClientStream,
    candidates: Candidates,
    answer: RoutedAnswer,
  ) {
    this.#answer = answer;
    this.#client = client;
    this.#components = components;
    this.#route = route;
    this.#clientStream = clientStream;
    this.#candidates = candidates;
  }

  /** Number of providers that have received the input. */
  get tries(): number {
    return this.#tries;
  }

  /** Providers that may still receive it before a new token arrives. */
  get triesLeft(): number {
    return maxTriedProviders - (this.#tries - this.#triesBefore);
  }

  /** A provider broke off after a new token. */
  progressed(): void {
    this.#triesBefore = this.#tries;
  }

  /** Allows offers to providers that charge for the answer. */
  payWith(allowance: SpendingAllowance): void {
    this.#allowance = allowance;
  }

  /**
   * Sends the offer by the provider's current card. Fetching the card first detects a dead or frozen provider before it
   * receives the input, and an outdated class or price before it is offered.
   * @returns the job, or why this provider has none
   */
  async offer({ card: { peer }, model }: Choice, over: AbortSignal): Promise<OpenedJob | Error> {
    const { probes, reputation } = this.#components;
    const { input, sampler } = this.#answer.rest;
    let card: VerifiedCard | null = null;
    let payment: JobPayment | null = null;
    try {
      card = await raceSignal(probes.card(peer), over);
      const choice = this.#candidates.renew(card);
      const extra = this.#extraFor(choice);
      payment = this.#paymentFor(choice);
      const quote = choice.priceLamports === 0n ? null : await this.#quote(choice, payment, over);
      const job = await this.#open(choice, extra, quote, payment, over);
      await this.#clientStream.send(pickedFrame(job, choice.card, quote));
      return { choice, job, payment };
    } catch (error) {
      void payment?.abandon(null);
      over.throwIfAborted();
      if (error instanceof RouteFailure) return error;
      if (!(error instanceof QvacError)) throw error;
      const own = ownFailure(error);
      if (own !== null) return own;
      if (card !== null && !mayBeTooLong(error, model, input, sampler.maxTokens))
        reputation.record(peer, experienceOf(error));
      return error;
    }
  }

  /**
   * The bytes of `extra` for this model, before anything is sent: a refusal by a provider would count against it.
   * @throws RouteFailure for settings that this model's providers must refuse
   */
  #extraFor({ model }: Choice): Uint8Array {
    const { extra } = this.#route.sampler;
    if (extra.length > maxExtraBytes) throw new RouteFailure('bad-input', `extra: more than ${maxExtraBytes} bytes`);
    try {
      return offeredExtra(extra, this.#answer.grammar, model);
    } catch (error) {
      if (error instanceof MalformedError) throw new RouteFailure('bad-input', error.message);
      throw error;
    }
  }

  /** The provider's signed price, if it is within the client's limit. */
  async #quote(
    { card, model, priceLamports }: Choice,
    payment: JobPayment | null,
    signal: AbortSignal,
  ): Promise<SignedQuote> {
    const { mode } = this.#route;
    const { sampler, input: asked } = this.#answer.rest;
    const { maxPrice } = this.#answer;
    const input = inputFor(model, asked);
    const { maxTokens } = sampler;
    const provider = { peer: card.peer, key: card.card.peer, pay: card.card.pay, slots: model.slots, priceLamports };
    const unpaid = card.card.pay === null ? payFrom.nothing : payFrom.jobAccount;
    const pay = (await payment?.choose(provider, { signal })) ?? unpaid;
    const signed = await quoteAnswer(this.#components, { card, model, input, mode, pay, maxTokens }, { signal });
    if (quotedLamports({ ...signed.quote, maxTokens }) > BigInt(maxPrice))
      throw new RouteFailure('too-dear', `the best offer may cost more than ${maxPrice} lamports`);
    if (signed.quote.pay !== null && this.#allowance === null)
      throw new RouteFailure('limit', 'the best offer charges for the answer, and this router does not pay');
    return signed;
  }

  #paymentFor({ card, priceLamports }: Choice): JobPayment | null {
    const allowance = this.#allowance;
    if (card.card.pay === null || priceLamports === 0n || allowance === null) return null;
    const { wallet, limits } = allowance;
    const { maxPrice } = this.#answer;
    const { sampler } = this.#answer.rest;
    const limit = { limits, person: this.#client };
    return new JobPayment({ openWallet: async () => wallet, limit }, { maxTokens: sampler.maxTokens, maxPrice });
  }

  async #open(
    { card, model, modelId }: Choice,
    extra: Uint8Array,
    quote: SignedQuote | null,
    payment: JobPayment | null,
    signal: AbortSignal,
  ): Promise<Job> {
    const { seed, commit, count, mode } = this.#route;
    const { rest, soFar } = this.#answer;
    const input = inputFor(model, rest.input);
    const { extra: _extra, ...sampler } = rest.sampler;
    const { grammar } = this.#answer;
    const { verifier } = this.#components;
    const terms = await payment?.plan(quote?.quote ?? null, { signal });
    this.#components.commits.add(commit, card.peer);
    this.#tries += 1;
    const encodePrompt = async (): Promise<readonly number[] | null> => verifier.encodePrompt(modelId, input);
    // The attempt watches the time to the first token, and the deadline the whole.
    const timeouts = { totalMs: maxRouteTimeoutMs, ...(payment === null ? {} : { acceptMs: paidAcceptMs }) };
    const { previous } = soFar;
    const job = { card, model, input, sampler, extra, grammar, seed, commit, count, mode, quote, previous };
    const init: JobInit = { ...job, ...terms, encodePrompt, timeouts };
    return openJob(this.#components, init, { signal });
  }
}

/** A failure on this router's side: wallet, disk, chain or limit. Null if the provider caused it. */
function ownFailure(error: QvacError): RouteFailure | null {
  if (error instanceof RemoteError) return null;
  if (error.code === 'E_LIMIT') return new RouteFailure('limit', error.message);
  const own = error.code === 'E_CHAIN' || error.code === 'E_FUNDS' || error.code === 'E_HOME';
  return own ? new RouteFailure('limit', `this router cannot pay now: ${error.message}`) : null;
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
