import { messageOf, ownWordsOf, QvacError } from '../../../errors.ts';
import { anySignal, raceSignal } from '../../../lib/abort.ts';
import { monotonicMs } from '../../../lib/clock.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { FaultError } from '../../../proofs/fault.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import { promptTokenBound } from '../../../protocol/input/prompt-bound.ts';
import { inputFor } from '../../../protocol/input/system-in-turn.ts';
import { checkInput } from '../../job/bad-input.ts';
import { keepBrokenOff } from '../../job/broken-off.ts';
import type { Job } from '../../job/job.ts';
import { mayBeTooLong } from '../../job/too-long.ts';
import type { Settlement } from '../../payment/payments.ts';
import type { Considered } from '../../selection/considered.ts';
import { learnFrom } from '../../selection/learning.ts';
import type { Choice } from '../../selection/select.ts';
import type { SpendingAllowances } from '../allowances.ts';
import type { ClientStream } from '../client-stream.ts';
import { maxProbes, maxRouteTimeoutMs } from '../constants.ts';
import { lastFailure, RouteFailure } from '../failure.ts';
import { Attempt, type AttemptEnd, type FinalEnd } from './attempt.ts';
import { Candidates, type CandidatesComponents, type Reserved } from './candidates.ts';
import { type FinishComponents, finishForClient } from './finish.ts';
import { OfferSender, type OfferSenderComponents, type OpenedJob } from './offer-sender.ts';
import { type LostProvider, RoutedAnswer } from './routed-answer.ts';

export interface QuestionComponents extends FinishComponents, CandidatesComponents, OfferSenderComponents {
  /** Null: no provider is paid. */
  readonly allowances: SpendingAllowances | null;
}

/** How a question ended: answered and checked, or with an error that was sent to the client. */
export type QuestionEnd =
  | {
      readonly kind: 'answered';
      readonly job: Job;
      readonly assessment: Assessment;
      readonly finish: number;
      readonly tries: number;
      /** Providers that broke off before that of `job`. */
      readonly lost: readonly LostProvider[];
      readonly totalMs: number;
      readonly considered: readonly Considered[];
      readonly payment: Settlement | null;
    }
  /** `message` is for a log: without the quoted words that the client received. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** A provider broke off after a new token, and another one may continue the answer. */
class BrokenOff {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

/** One question of one client, from its `route` frame to the receipt. */
export class Question {
  readonly #components: QuestionComponents;
  readonly #route: RouteFrame;
  readonly #clientStream: ClientStream;
  readonly #candidates: Candidates;
  /** Aborts when the router stops. */
  readonly #signal: AbortSignal;
  readonly #deadline: AbortSignal;
  /** By the monotonic clock. */
  readonly #deadlineAt: number;
  readonly #client: PeerIdString;
  readonly #offers: OfferSender;
  readonly #routed: RoutedAnswer;
  /** The checks of the jobs that broke off. */
  readonly #keeping: Promise<unknown>[] = [];

  /** @param client the peer that asked */
  constructor(
    components: QuestionComponents,
    route: RouteFrame,
    clientStream: ClientStream,
    client: PeerIdString,
    signal: AbortSignal,
  ) {
    const timeoutMs = Math.min(route.timeout, maxRouteTimeoutMs);
    this.#components = components;
    this.#route = route;
    this.#clientStream = clientStream;
    this.#client = client;
    this.#candidates = new Candidates(components, route, components.verifier.models);
    this.#routed = new RoutedAnswer(route);
    this.#offers = new OfferSender(components, route, client, clientStream, this.#candidates, this.#routed);
    this.#signal = signal;
    this.#deadline = anySignal(signal, AbortSignal.timeout(timeoutMs));
    this.#deadlineAt = monotonicMs() + timeoutMs;
  }

  /** Answers the question, or sends the client the reason for the failure. Never throws. */
  async run(): Promise<QuestionEnd> {
    try {
      return await this.#answer();
    } catch (error) {
      const { code, message, ownWords } = this.#failureOf(error);
      if (code === 'busy') await this.#clientStream.turnAway();
      else await this.#clientStream.fail(code, message);
      return { kind: 'failed', code, message: ownWords };
    } finally {
      await Promise.all(this.#keeping);
    }
  }

  #failureOf(error: unknown): RouteFailure {
    if (error instanceof RouteFailure) return error;
    if (this.#signal.aborted) return new RouteFailure('failed', 'the router is stopping');
    if (this.#deadline.aborted) return new RouteFailure('timeout', 'no complete answer in time');
    if (this.#clientStream.stopped.aborted) return new RouteFailure('stopped', 'stopped before a provider accepted');
    this.#components.logger.error('a question failed', {
      reason:
        error instanceof Error && !(error instanceof QvacError) ? (error.stack ?? error.message) : ownWordsOf(error),
    });
    return new RouteFailure('internal', 'the router failed');
  }

  async #answer(): Promise<QuestionEnd> {
    // Ends the search for a provider.
    const over = anySignal(this.#deadline, this.#clientStream.stopped);
    this.#checkInput();
    await this.#takeAllowance(over);
    return this.#answerWith(over);
  }

  #noProvider(): RouteFailure {
    return new RouteFailure('no-provider', `no provider offers ${this.#route.model}`);
  }

  /**
   * Turns to one provider after another, until one answers the rest of the question.
   * @param left the failure if there is none to turn to
   */
  async #answerWith(over: AbortSignal, left = this.#noProvider()): Promise<QuestionEnd> {
    let failure = left;
    for (let probes = 0; probes < maxProbes && this.#offers.triesLeft > 0; probes++) {
      const next = await this.#candidates.next(over);
      if (next === null) break;
      try {
        const end = await this.#tryProvider(next, over);
        if (end instanceof BrokenOff) return await this.#answerWith(over, lastFailure(end.error));
        if (!(end instanceof Error)) return end;
        failure = lastFailure(end);
      } finally {
        next.release();
      }
    }
    throw this.#routed.isBegun ? new RouteFailure('failed', failure.message, failure.ownWords) : failure;
  }

  async #takeAllowance(signal: AbortSignal): Promise<void> {
    const { allowances } = this.#components;
    if (allowances === null || this.#route.maxPrice === 0) return;
    const allowance = await raceSignal(allowances.of(this.#client, { signal }), signal);
    if (allowance === null) return;
    this.#candidates.payWith(allowance, allowance.limits.left(this.#client));
    this.#offers.payWith(allowance);
  }

  /** @returns the answer, why another provider may be asked, or that one is to go on with the answer */
  async #tryProvider({ choice, release }: Reserved, over: AbortSignal): Promise<QuestionEnd | Error | BrokenOff> {
    const offered = await this.#offers.offer(choice, over);
    if (offered instanceof Error) return offered;
    const { job } = offered;
    const end = await new Attempt({
      job,
      shown: this.#routed.soFar.redrawn,
      clientStream: this.#clientStream,
      deadline: this.#deadline,
      firstTokenMs: this.#firstTokenMs(),
    }).run();
    // The provider's slot is free: the steps below need none.
    release();
    return this.#conclude(end, offered);
  }

  /** While other providers are left, each may use half of the remaining time for its first token. */
  #firstTokenMs(): number {
    const leftMs = Math.max(1, this.#deadlineAt - monotonicMs());
    return this.#offers.triesLeft > 0 && this.#candidates.othersLeft ? Math.ceil(leftMs / 2) : leftMs;
  }

  async #conclude(end: AttemptEnd, { job, choice, payment }: OpenedJob): Promise<QuestionEnd | Error | BrokenOff> {
    const { reputation } = this.#components;
    const { peer } = choice.card;
    if (end.kind !== 'final') {
      void payment?.abandon(job, 'error' in end && end.error instanceof FaultError ? end.error : null);
      this.#routed.spend(job);
      this.#candidates.spendAtMost(this.#routed.maxPrice);
    }
    switch (end.kind) {
      case 'final':
        return this.#finish(end, { job, choice, payment });
      case 'left':
        if (end.experience !== null && !this.#mayBeTooLong(end.error, choice)) reputation.record(peer, end.experience);
        return end.error;
      case 'broken':
        reputation.record(peer, end.experience);
        this.#keeping.push(this.#keep(job, choice));
        if (!(end.error instanceof FaultError) && this.#continueBehind(job, choice)) return new BrokenOff(end.error);
        throw new RouteFailure('failed', end.error.message, ownWordsOf(end.error));
      case 'bad-input':
        // The provider's refusal alone does not show that the input is bad.
        if (this.#isBadInput(choice)) throw new RouteFailure('bad-input', end.error.message, ownWordsOf(end.error));
        // It may refuse a grammar that would cost it too much (section 4.1).
        if (this.#routed.grammar === null) reputation.record(peer, { kind: 'aborted' });
        return end.error;
      case 'stopped':
        throw new RouteFailure('stopped', 'stopped before the provider accepted');
      case 'timeout':
        if (end.experience !== null && !this.#signal.aborted) reputation.record(peer, end.experience);
        throw this.#failureOf(this.#deadline.reason);
    }
  }

  #mayBeTooLong(error: Error, { model }: Choice): boolean {
    const { input, sampler } = this.#routed.rest;
    return mayBeTooLong(error, model, input, sampler.maxTokens);
  }

  /** Checks and stores what arrived of a job that broke off. Never rejects. */
  async #keep(job: Job, { card: { peer }, modelId: model }: Choice): Promise<void> {
    const kept = await keepBrokenOff(this.#components, job, { depth: this.#route.verify }, { signal: this.#signal });
    if (kept !== null) learnFrom(this.#components.reputation, { peer, model, priceLamports: 0n }, kept.assessment);
  }

  /** Has another provider of the same model go on (section 4.6). @returns false if none can */
  #continueBehind(job: Job, { modelId }: Choice): boolean {
    if (!this.#routed.add(job)) return false;
    const { input, sampler } = this.#routed.rest;
    this.#candidates.continueWith({
      model: modelId,
      promptTokens: promptTokenBound(input),
      maxTokens: sampler.maxTokens,
      preferredClass: job.offer.execClass,
    });
    this.#offers.progressed();
    return true;
  }

  /** @throws RouteFailure for an input or a grammar that every provider must refuse */
  #checkInput(): void {
    try {
      checkInput(this.#route.input);
      this.#routed.checkGrammar();
    } catch (error) {
      throw new RouteFailure('bad-input', messageOf(error));
    }
  }

  /** Whether this router's own tokenizer refuses the input; false if it does not hold the model. */
  #isBadInput({ model, modelId }: Choice): boolean {
    try {
      this.#components.verifier.encodePrompt(modelId, inputFor(model, this.#routed.rest.input));
      return false;
    } catch (error) {
      if (error instanceof QvacError && error.code === 'E_BAD_INPUT') return true;
      throw error;
    }
  }

  async #finish(final: FinalEnd, opened: OpenedJob): Promise<QuestionEnd> {
    const asked = { route: this.#route, client: this.#client, clientStream: this.#clientStream, signal: this.#signal };
    const finished = await finishForClient(this.#components, asked, final, opened);
    const { tries } = this.#offers;
    const { lost } = this.#routed;
    const { considered } = this.#candidates;
    return { kind: 'answered', job: opened.job, tries, lost, totalMs: final.totalMs, considered, ...finished };
  }
}
