import { messageOf, ownWordsOf, QvacError } from '../../../errors.ts';
import { anySignal, raceSignal } from '../../../lib/abort.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { maxRouteProviders } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import type { Job } from '../../job/job.ts';
import { mayBeTooLong } from '../../job/too-long.ts';
import type { CheckedAnswer, Settlement } from '../../payment/payments.ts';
import { settlementJson } from '../../payment/settlement-json.ts';
import type { Purses } from '../../payment/spending-limits.ts';
import type { Considered } from '../../selection/considered.ts';
import type { SecondOpinion } from '../../verification/second-opinion.ts';
import type { ClientStream } from '../client-stream.ts';
import { maxProbes, maxRouteTimeoutMs } from '../constants.ts';
import { lastFailure, RouteFailure } from '../failure.ts';
import type { PaidOffer } from '../payment/paid-offer.ts';
import { Attempt, type AttemptEnd } from './attempt.ts';
import { Candidates, type CandidatesComponents, type Reserved } from './candidates.ts';
import { type ConcludeRoutedComponents, concludeForClient } from './conclude.ts';
import { OfferSender, type OfferSenderComponents, type OpenedJob } from './offer-sender.ts';

export interface QuestionComponents extends ConcludeRoutedComponents, CandidatesComponents, OfferSenderComponents {
  /** Null: nobody is paid. */
  readonly purses: Purses | null;
  /** Another node that re-executes this person's answers: it sees the prompt. @default nobody */
  readonly second?: ((client: PeerIdString) => SecondOpinion | null) | undefined;
}

/** How a question ended: answered and checked, or an error that the person's client was told. */
export type QuestionEnd =
  | {
      readonly kind: 'answered';
      readonly job: Job;
      readonly assessment: Assessment;
      readonly finish: number;
      readonly tries: number;
      readonly totalMs: number;
      readonly considered: readonly Considered[];
      readonly payment: Settlement | null;
    }
  /** `message` is for a log; the client got all of it. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** One question of one person's client, from its `route` frame to the receipt. */
export class Question {
  readonly #components: QuestionComponents;
  readonly #route: RouteFrame;
  readonly #person: ClientStream;
  readonly #candidates: Candidates;
  /** The router's own end. */
  readonly #signal: AbortSignal;
  readonly #deadline: AbortSignal;
  readonly #deadlineAt: number;
  readonly #client: PeerIdString;
  readonly #offering: OfferSender;

  /** @param client whose question it is */
  constructor(
    components: QuestionComponents,
    route: RouteFrame,
    person: ClientStream,
    client: PeerIdString,
    signal: AbortSignal,
  ) {
    const timeoutMs = Math.min(route.timeout, maxRouteTimeoutMs);
    this.#components = components;
    this.#route = route;
    this.#person = person;
    this.#client = client;
    this.#candidates = new Candidates(components, route, components.verifier.models);
    this.#offering = new OfferSender(components, route, person, this.#candidates);
    this.#signal = signal;
    this.#deadline = anySignal(signal, AbortSignal.timeout(timeoutMs));
    this.#deadlineAt = components.clock.now() + timeoutMs;
  }

  /** Tells the person's client how it ends. Never throws. */
  async run(): Promise<QuestionEnd> {
    try {
      return await this.#answer();
    } catch (error) {
      const { code, message, ownWords } = this.#failureOf(error);
      if (code === 'busy') await this.#person.turnAway();
      else await this.#person.fail(code, message);
      return { kind: 'failed', code, message: ownWords };
    }
  }

  #failureOf(error: unknown): RouteFailure {
    if (error instanceof RouteFailure) return error;
    if (this.#signal.aborted) return new RouteFailure('failed', 'the router is stopping');
    if (this.#deadline.aborted) return new RouteFailure('timeout', 'no whole answer in time');
    if (this.#person.stopped.aborted) return new RouteFailure('stopped', 'stopped before a provider accepted');
    this.#components.logger.error('a question failed', {
      reason:
        error instanceof Error && !(error instanceof QvacError) ? (error.stack ?? error.message) : ownWordsOf(error),
    });
    return new RouteFailure('internal', 'the router failed');
  }

  async #answer(): Promise<QuestionEnd> {
    // Whatever ends the search for a provider.
    const over = anySignal(this.#deadline, this.#person.stopped);
    await this.#takePurse(over);
    let failure = new RouteFailure('no-provider', `nobody offers ${this.#route.model} here`);
    for (let probes = 0; probes < maxProbes && this.#offering.tries < maxRouteProviders; probes++) {
      const next = await this.#candidates.next(over);
      if (next === null) break;
      try {
        const end = await this.#turnTo(next, over);
        if (!(end instanceof Error)) return end;
        failure = lastFailure(end);
      } finally {
        next.release();
      }
    }
    throw failure;
  }

  async #takePurse(signal: AbortSignal): Promise<void> {
    const { purses } = this.#components;
    if (purses === null || this.#route.maxPrice === 0) return;
    const purse = await raceSignal(purses.of(this.#client, { signal }), signal);
    if (purse === null) return;
    this.#candidates.payWith(purse);
    this.#offering.payWith(purse);
  }

  /** @returns the answer, or why another provider may be asked */
  async #turnTo({ choice, release }: Reserved, over: AbortSignal): Promise<QuestionEnd | Error> {
    const offered = await this.#offering.offer(choice, over);
    if (offered instanceof Error) return offered;
    const { job, paid } = offered;
    const { clock } = this.#components;
    const unwatch = paid?.watch((error) => job.abortWaiting(error));
    const end = await new Attempt({
      job,
      person: this.#person,
      clock,
      deadline: this.#deadline,
      firstTokenMs: this.#firstTokenMs(),
    }).run();
    unwatch?.();
    // Its slot is free; what follows takes none.
    release();
    return this.#conclude(end, offered);
  }

  /** While others may be asked, one that gives no token has half of the time that is left. */
  #firstTokenMs(): number {
    const leftMs = Math.max(1, this.#deadlineAt - this.#components.clock.now());
    return this.#offering.tries < maxRouteProviders && this.#candidates.othersLeft ? Math.ceil(leftMs / 2) : leftMs;
  }

  async #conclude(end: AttemptEnd, { job, choice, paid }: OpenedJob): Promise<QuestionEnd | Error> {
    const { reputation } = this.#components;
    const { peer } = choice.card;
    if (end.kind !== 'final') paid?.abandon(job.received);
    switch (end.kind) {
      case 'final':
        return this.#settle(end, { job, choice, paid });
      case 'left':
        if (!mayBeTooLong(end.error, choice.model, this.#route.input, this.#route.sampler.maxTokens))
          reputation.record(peer, end.experience);
        return end.error;
      case 'broken':
        reputation.record(peer, end.experience);
        throw new RouteFailure('failed', end.error.message, ownWordsOf(end.error));
      case 'bad-input':
        throw new RouteFailure('bad-input', end.error.message, ownWordsOf(end.error));
      case 'stopped':
        throw new RouteFailure('stopped', 'stopped before the provider accepted');
      case 'timeout':
        if (end.experience !== null && !this.#signal.aborted) reputation.record(peer, end.experience);
        throw this.#failureOf(this.#deadline.reason);
    }
  }

  async #settle(
    { head: { n, finish }, firstTokenMs, totalMs }: Extract<AttemptEnd, { readonly kind: 'final' }>,
    { job, choice, paid }: OpenedJob,
  ): Promise<QuestionEnd> {
    const { peer } = choice.card;
    this.#components.reputation.record(peer, { kind: 'served', model: choice.modelId, n, firstTokenMs, totalMs });
    const { commit, mode, verify } = this.#route;
    const learn = (found: Assessment): void => this.#learn(peer, found);
    // Nothing but a re-execution takes long.
    const window = verify === 'full' ? (paid?.openWindow() ?? null) : null;
    try {
      const settled = await concludeForClient(this.#components, {
        job,
        person: this.#person,
        commit,
        challenged: mode === 'merkle',
        depth: verify,
        second: this.#components.second?.(this.#client),
        learn,
        until: window?.until,
        signal: this.#signal,
      });
      await this.#person.end();
      const payment =
        paid === null ? null : await this.#pay(paid, { ...settled, verdictDigest: sha256(settled.verdict.body) });
      return {
        kind: 'answered',
        job,
        assessment: settled.assessment,
        finish,
        tries: this.#offering.tries,
        totalMs,
        considered: this.#candidates.considered,
        payment,
      };
    } finally {
      window?.close();
    }
  }

  async #pay(paid: PaidOffer, answer: CheckedAnswer): Promise<Settlement | null> {
    const { receipts, logger } = this.#components;
    const payment = await paid.settle(answer, { signal: this.#signal });
    if (payment === null) return null;
    await receipts
      .save({ ...answer.receipt, settlement: settlementJson(payment) })
      .catch((error: unknown) => logger.warn('receipt not saved', { reason: messageOf(error) }));
    return payment;
  }

  #learn(peer: PeerIdString, { result, tier, faults: [fault] }: Assessment): void {
    const { reputation } = this.#components;
    if (result === 'fail' && fault !== undefined) reputation.record(peer, { kind: 'fault', fault });
    else if (result === 'pass' && (tier === 'exact' || tier === 'statistical'))
      reputation.record(peer, { kind: 'verified' });
  }
}
