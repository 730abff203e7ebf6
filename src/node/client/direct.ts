import { randomBytes } from 'node:crypto';
import { type ErrorCode, messageOf, QvacError, toError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { FaultError } from '../../proofs/fault.ts';
import { jobProtocol } from '../../protocol/constants.ts';
import { sha256 } from '../../protocol/digests.ts';
import type { RouteMode } from '../../protocol/frames.ts';
import { inputFor } from '../../protocol/input/system-in-turn.ts';
import { finish, type Input, type Mode, modes, payFrom, type SamplerSettings } from '../../protocol/messages.ts';
import { type AnswerExtra, extraFor } from '../job/answer-extra.ts';
import type { AnswerSoFar } from '../job/answer-so-far.ts';
import { costOf, type DeliveredCounts, payableTokens } from '../job/cost.ts';
import type { Job, JobInit, JobTimeouts, SignedQuote } from '../job/job.ts';
import { type JobComponents, openJob } from '../job/open-job.ts';
import { quoteAnswer } from '../job/quote.ts';
import { Redrawn } from '../job/redrawn.ts';
import { isBadInput, isBadOffer, RemoteError } from '../job/remote-error.ts';
import { mayBeTooLong, PerhapsTooLongError } from '../job/too-long.ts';
import type { PayPolicy } from '../payment/channel/channels.ts';
import { JobPayment, paidAcceptMs } from '../payment/job-payment.ts';
import type { ClientPayments, EscrowWallet, Settlement } from '../payment/payments.ts';
import type { RefereeCount } from '../referees/reports.ts';
import { experienceOf } from '../selection/learning.ts';
import type { Choice } from '../selection/select.ts';
import type { FrameStream } from '../streams/streams.ts';
import type { VerifyLevel } from '../verification/verification.ts';
import { type Answer, type AskObserver, type DeliveredAnswer, faultyAnswer, silentObserver } from './answer.ts';
import { type BrokenPart, endBroken } from './broken-part.ts';
import {
  type EarlierTotals,
  type FinishComponents,
  type FinishedAnswer,
  type FinishInit,
  finishAnswer,
  truncated,
} from './finish.ts';
import { type Stopwatch, startStopwatch } from './stopwatch.ts';

export interface DirectComponents extends JobComponents, FinishComponents {
  /** @default null: no provider is paid */
  readonly payments?: ClientPayments | null | undefined;
}

export interface DirectInit {
  readonly choice: Choice;
  /** With the continuation, and what remains of the answer's length. */
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** The answer that this provider continues; nothing of it for the first. */
  readonly soFar: AnswerSoFar;
  readonly earlier: EarlierTotals;
  readonly extra: AnswerExtra;
  /** Steps to open. */
  readonly count: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** Whether a channel may pay. @default as the wallet's policy says */
  readonly pay?: PayPolicy | undefined;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly level: VerifyLevel;
  /** Referees if the model is not re-executed here; null: none. @default null */
  readonly refereeCount?: RefereeCount | null | undefined;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. */
  readonly auditRate: number;
  readonly timeouts: Partial<JobTimeouts>;
  readonly stopwatch: Stopwatch;
  /** Checks a stopped answer like any other. */
  readonly thorough: boolean;
}

/** One provider's answer, or why another provider may be asked: it gave no token, or it broke off after some. */
export type DirectOutcome =
  | { readonly answer: Answer | FinishedAnswer }
  | {
      readonly answer: null;
      readonly error: Error;
      readonly broken: BrokenPart | null;
      /** The same provider may be asked again: it will be paid otherwise. @default false */
      readonly again?: boolean;
    };

/**
 * Asks one provider one question, checks the answer and settles its payment.
 * @param options `signal` stops it: what was delivered until then is settled and returned; if nothing was, it throws
 * E_INTERRUPTED
 * @throws QvacError E_BAD_INPUT, E_INTERRUPTED
 */
export async function askProvider(
  components: DirectComponents,
  init: DirectInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<DirectOutcome> {
  const question = new DirectQuestion(components, init, observer, options.signal ?? new AbortController().signal);
  return question.run();
}

class DirectQuestion {
  readonly #components: DirectComponents;
  readonly #init: DirectInit;
  readonly #observer: AskObserver;
  readonly #signal: AbortSignal;
  readonly #secret = Uint8Array.from(randomBytes(32));
  readonly #payment: JobPayment;
  readonly #input: Input;
  readonly #redrawn: Redrawn;
  readonly #stopwatch = startStopwatch();
  #quote: SignedQuote | null = null;
  /** Of a job in a channel: its stream is opened while the quote is fetched. */
  #stream: Promise<FrameStream> | null = null;

  constructor(components: DirectComponents, init: DirectInit, observer: AskObserver, signal: AbortSignal) {
    this.#components = components;
    this.#init = init;
    this.#observer = observer;
    this.#signal = signal;
    this.#input = inputFor(init.choice.model, init.input);
    this.#redrawn = new Redrawn(init.choice.card.peer, init.soFar.redrawn);
    const { sampler, maxPrice, pay } = init;
    const { payments = null } = components;
    const openWallet = async (options: AbortOptions): Promise<EscrowWallet> => {
      if (payments === null)
        throw new QvacError('E_LIMIT', 'this provider charges for answers, and this client does not pay');
      return payments.open(options);
    };
    const { maxTokens } = sampler;
    const onHold = (lamports: bigint): void => observer.locking?.(lamports);
    this.#payment = new JobPayment({ openWallet }, { pay, maxTokens, maxPrice, onHold });
  }

  async run(): Promise<DirectOutcome> {
    const { choice, level } = this.#init;
    const { peer: provider } = choice.card;
    let job: Job | null = null;
    try {
      this.#quote = choice.priceLamports === 0n ? null : await this.#fetchQuote();
      this.#observer.sending({
        kind: 'provider',
        peer: provider,
        model: `${choice.model.name} ${choice.model.quant}`,
        priceLamports: choice.priceLamports,
        level,
      });
      job = await this.#open();
      await this.#receive(job);
    } catch (error) {
      return this.#failed(toError(error), job);
    }
    if (job.received.final?.finish === finish.brokenOff && this.#hasShown(job)) return this.#brokeItOff(job);
    const answer = await this.#finish(job, this.#observer);
    if (answer.finish !== finish.brokenOff || answer.verification.result === 'fail') return { answer };
    return { answer: null, error: truncated(answer), broken: null };
  }

  /** Whether a token arrived that was not shown before. */
  #hasShown({ received }: Job): boolean {
    return received.n > this.#init.soFar.redrawn.tokens.length && !this.#redrawn.isOther;
  }

  get #model() {
    const { model, modelId } = this.#init.choice;
    return { name: model.name, quant: model.quant, id: modelId };
  }

  get #mode(): Mode {
    return modeOf(this.#init.level);
  }

  async #fetchQuote(): Promise<SignedQuote> {
    const { choice, sampler } = this.#init;
    const input = this.#input;
    const { card, model, priceLamports } = choice;
    const provider = { peer: card.peer, key: card.card.peer, pay: card.card.pay, slots: model.slots, priceLamports };
    const pay = await this.#payment.choose(provider, { signal: this.#signal });
    if (pay === payFrom.channel) this.#openStream();
    const request = { card, model, input, mode: this.#mode, pay, maxTokens: sampler.maxTokens };
    return quoteAnswer(this.#components, request, { signal: this.#signal });
  }

  #openStream(): void {
    const { peer } = this.#init.choice.card;
    this.#stream = this.#components.peer.open(peer, jobProtocol, { signal: this.#signal });
    // Its failure shows when the offer is sent.
    this.#stream.catch(() => undefined);
  }

  async #open(): Promise<Job> {
    const { choice, sampler, extra, count, seed, soFar, timeouts } = this.#init;
    const input = this.#input;
    const { verifier } = this.#components;
    const quote = this.#quote;
    const payment = await this.#payment.plan(quote?.quote ?? null, { signal: this.#signal });
    const init: JobInit = {
      card: choice.card,
      model: choice.model,
      input,
      sampler,
      seed,
      commit: sha256(this.#secret),
      count,
      mode: this.#mode,
      extra: extraFor(choice.model, extra),
      grammar: extra.rules,
      previous: soFar.previous,
      quote,
      ...payment,
      stream: this.#stream,
      // Before a payment is acknowledged; a free answer need not wait for the tokenizer.
      encodePrompt: quote?.quote.pay == null ? null : () => verifier.encodePrompt(choice.modelId, input),
      timeouts: quote?.quote.pay == null ? timeouts : { acceptMs: paidAcceptMs, ...timeouts },
    };
    return openJob(this.#components, init, { signal: this.#signal });
  }

  async #receive(job: Job): Promise<void> {
    let accepted = false;
    const stop = (): void => {
      // Before the accept there is nothing to cancel.
      if (!accepted) job.abort(interrupted());
      else job.cancel().catch((error: unknown) => job.abort(toError(error)));
    };
    this.#signal.addEventListener('abort', stop);
    try {
      if (this.#signal.aborted) stop();
      for await (const frame of job.frames()) {
        if (frame.t === 'accept') {
          accepted = true;
          this.#reportAccepted(job);
          if (this.#signal.aborted) stop();
        }
        if (frame.t === 'progress') this.#observer.prompted?.(frame.done, frame.total);
        if (frame.t !== 'tokens') continue;
        const text = this.#redrawn.take(frame);
        this.#stopwatch.tokens(job.received.n);
        this.#init.stopwatch.tokens(this.#init.earlier.tokens + job.received.n);
        await this.#observer.text(text);
      }
    } finally {
      this.#signal.removeEventListener('abort', stop);
    }
  }

  /** Once for the whole answer. */
  #reportAccepted({ received }: Job): void {
    if (this.#init.soFar.previous === null)
      this.#observer.accepted?.(received.promptTokens.length, this.#model, received.tail);
  }

  async #failed(error: Error, job: Job | null): Promise<DirectOutcome> {
    const { choice, sampler } = this.#init;
    if (job === null) this.#stream?.then((stream) => stream.abort(error)).catch(() => undefined);
    job?.abort(error);
    const abandoned = this.#payment.abandon(job, error instanceof FaultError ? error : null);
    if (this.#signal.aborted) throw interrupted();
    // These are not the provider's fault.
    if (error instanceof QvacError && !(error instanceof RemoteError) && ownFailures.has(error.code)) throw error;
    if (!(error instanceof FaultError) && !(error instanceof QvacError)) throw error;
    if (isBadInput(error)) await this.#checkRefusal();
    const tooLong = mayBeTooLong(error, choice.model, this.#input, sampler.maxTokens);
    // A grammar that would cost it too much, a provider may refuse (section 4.1); another class may draw otherwise what
    // was shown already.
    const mayRefuse = tooLong || (isBadInput(error) && this.#init.extra.rules !== undefined) || this.#redrawn.isOther;
    if (!mayRefuse) this.#components.reputation.record(choice.card.peer, experienceOf(error));
    if (job === null || !(this.#hasShown(job) || (error instanceof FaultError && job.received.n > 0))) {
      this.#tellHold(job);
      // The provider may take the same offer from an account of its own.
      const again = this.#payment.isInChannel && isBadOffer(error);
      if (again) await this.#payment.avoidChannel();
      return { answer: null, error: tooLong ? new PerhapsTooLongError(error) : error, broken: null, again };
    }
    if (error instanceof FaultError) {
      const timing = this.#init.stopwatch.read();
      const { level } = this.#init;
      return { answer: faultyAnswer({ ...this.#answerOf(job), level, timing }, error, await abandoned) };
    }
    this.#tellHold(job);
    return { answer: null, error, broken: this.#brokenPart(job, error, abandoned) };
  }

  /** Its connection or its provider failed. */
  #brokenPart(job: Job, error: QvacError, abandoned: Promise<Settlement | null>): BrokenPart {
    const { level, choice, stopwatch, input, extra } = this.#init;
    const ending = endBroken(this.#components, {
      job,
      modelId: choice.modelId,
      continuation: input.continuation,
      hasMarkers: extra.markers === true,
      level,
      abandoned,
    });
    return { job, error, answer: { ...this.#answerOf(job), level, timing: stopwatch.read() }, ending };
  }

  /** The provider ended it early, with a head over all that it had sent: it is checked like any other. */
  #brokeItOff(job: Job): DirectOutcome {
    const { level, stopwatch } = this.#init;
    const answer = this.#answerOf(job);
    const error = truncated({ provider: job.provider, tokens: this.#init.earlier.tokens + job.received.n });
    const ending = this.#finish(job, silentObserver).then(
      ({ receipt, storeError, verification, why, payment }) => ({
        receipt: storeError === null ? receipt : null,
        verification,
        why,
        payment,
      }),
      (failure: unknown) => {
        const { logger } = this.#components;
        logger.warn('a broken-off answer was not checked', { job: job.jobId, reason: messageOf(failure) });
        return { receipt: null, verification: null, why: null, payment: null };
      },
    );
    return {
      answer: null,
      error,
      broken: { job, error, answer: { ...answer, level, timing: stopwatch.read() }, ending },
    };
  }

  /**
   * A provider's refusal of the prompt counts against the provider, unless this machine's tokenizer refuses it, too.
   * @throws QvacError E_BAD_INPUT if it does
   */
  async #checkRefusal(): Promise<void> {
    await this.#components.verifier.encodePrompt(this.#init.choice.modelId, this.#input);
  }

  /** Where the money is once there is no complete answer. */
  #tellHold(job: Job | null): void {
    const quote = this.#quote?.quote;
    if (!this.#payment.isOnHold || this.#payment.isInChannel || quote === undefined) return;
    if (job === null || job.ackedTokens === null) {
      const minutes = Math.ceil(quote.deliverWithin / 60);
      this.#observer.note(
        `payment on hold: refunded when the provider declines, or after ${minutes} min at the latest (qvac jobs ls)`,
      );
      return;
    }
    const most = { ...countsOf(job), n: job.offer.sampler.maxTokens };
    const paid = `the prompt and ${payableTokens(job.offer, most)} tokens at most: ${costOf(job.offer, most)} lamports`;
    this.#observer.note(`the provider can be paid for ${paid}; the rest is refunded`);
  }

  #finish(job: Job, observer: AskObserver): Promise<FinishedAnswer> {
    const { choice, level, stopwatch, thorough, earlier, refereeCount = null, auditRate, maxPrice } = this.#init;
    const init: FinishInit = {
      job,
      secret: this.#secret,
      payment: this.#payment,
      answer: this.#answerOf(job),
      earlier,
      modelId: choice.modelId,
      payableTokens: payableTokens(job.offer, countsOf(job)),
      level,
      refereeCount,
      auditRate,
      provider: choice.card,
      maxPrice,
      timing: stopwatch.read(),
      ownTiming: this.#stopwatch.read(),
      interrupted: this.#signal.aborted,
      thorough,
    };
    return finishAnswer(this.#components, init, observer);
  }

  #answerOf(job: Job): DeliveredAnswer {
    const { text, n, final } = job.received;
    return {
      text,
      tokens: n,
      finish: final?.finish ?? null,
      provider: job.provider,
      router: null,
      model: this.#model,
      costLamports: costOf(job.offer, countsOf(job)),
    };
  }
}

/** The mode of a job whose answer is checked so far; null: `sampling` or `full`. */
export function modeOf(level: VerifyLevel | null): RouteMode {
  return level === 'none' ? modes.none : level === 'optimistic' ? modes.fraud : modes.merkle;
}

function countsOf({ received, ackedTokens }: Job): DeliveredCounts {
  return { promptCount: received.promptTokens.length, n: received.n, ackedTokens };
}

function interrupted(): QvacError {
  return new QvacError('E_INTERRUPTED', 'stopped');
}

/** Failures on this side: asking another provider would not help. */
const ownFailures: ReadonlySet<ErrorCode> = new Set(['E_BAD_INPUT', 'E_CHAIN', 'E_FUNDS', 'E_TOO_DEAR', 'E_HOME']);
