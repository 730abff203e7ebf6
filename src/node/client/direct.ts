import { randomBytes } from 'node:crypto';
import { type ErrorCode, QvacError, toError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { defaultChallenges } from '../../protocol/constants.ts';
import { requestDigestOf, sha256 } from '../../protocol/digests.ts';
import type { Input, SamplerSettings } from '../../protocol/messages.ts';
import { payableTokens, priceLamports } from '../../protocol/price.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';
import { type ConcludeComponents, type Conclusion, concludeJob } from '../job/conclude.ts';
import type { Job, JobTimeouts, SignedQuote } from '../job/job.ts';
import { openJob } from '../job/open-job.ts';
import { fetchQuote } from '../job/quote.ts';
import { asTooLong, mayBeTooLong } from '../job/too-long.ts';
import { DirectPayment } from '../payment/job-payment.ts';
import type { ClientPayments, Settlement } from '../payment/payments.ts';
import { settlementJson } from '../payment/settlement-json.ts';
import type { Peer } from '../peer/peer.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { Choice } from '../selection/select.ts';
import { type Answer, type AskObserver, faultyAnswer, isRecomputed, type VerifyLevel } from './answer.ts';
import type { Stopwatch } from './stopwatch.ts';
import { reasonFor } from './why.ts';

export interface DirectComponents extends ConcludeComponents {
  readonly peer: Peer;
  readonly reputation: Reputation;
  /** @default null: nobody is paid */
  readonly payments?: ClientPayments | null | undefined;
  readonly receipts: { save(receipt: ReturnType<Job['received']['receipt']>): Promise<unknown> };
}

export interface DirectInit {
  readonly choice: Choice;
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** Lamports. */
  readonly maxPrice: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly level: VerifyLevel;
  readonly timeouts: Partial<JobTimeouts>;
  readonly stopwatch: Stopwatch;
  /** An answer that was stopped is checked like any other. */
  readonly thorough: boolean;
}

/** How one provider did: it answered, or it did not before its first token, and another may be asked. */
export type DirectOutcome = { readonly answer: Answer } | { readonly answer: null; readonly error: Error };

/**
 * One question to one provider, settled.
 * @param options `signal` stops it: what was delivered until then is settled and returned, nothing delivered is an
 * E_INTERRUPTED
 * @throws QvacError E_BAD_INPUT, E_INTERRUPTED, or whatever broke an answer after its first token
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
  readonly #payment: DirectPayment;
  #quote: SignedQuote | null = null;
  /** Tokens that had come when the person stopped it. */
  #cancelN: number | null = null;

  constructor(components: DirectComponents, init: DirectInit, observer: AskObserver, signal: AbortSignal) {
    this.#components = components;
    this.#init = init;
    this.#observer = observer;
    this.#signal = signal;
    const { sampler, maxPrice } = init;
    this.#payment = new DirectPayment(components.payments ?? null, {
      maxTokens: sampler.maxTokens,
      maxPrice,
      locking: (lamports) => observer.locking?.(lamports),
    });
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
    return { answer: await this.#settle(job) };
  }

  get #model() {
    const { model, modelId } = this.#init.choice;
    return { name: model.name, quant: model.quant, id: modelId };
  }

  #fetchQuote(): Promise<SignedQuote> {
    const { choice, input, sampler } = this.#init;
    const { peer, clock } = this.#components;
    // A prompt that does not fit beside the answer is refused, so nothing has to be locked for it.
    const promptTokens = Math.min(promptTokenBound(input), choice.model.context - sampler.maxTokens);
    const request = {
      card: choice.card,
      model: choice.model,
      requestDigest: requestDigestOf(input),
      promptTokens,
      maxTokens: sampler.maxTokens,
    };
    return fetchQuote({ peer, clock }, request, { signal: this.#signal });
  }

  async #open(): Promise<Job> {
    const { choice, input, sampler, seed, level, timeouts } = this.#init;
    const { peer, clock, logger } = this.#components;
    const commit = sha256(this.#secret);
    const job = {
      card: choice.card,
      model: choice.model,
      input,
      sampler,
      seed,
      commit,
      count: defaultChallenges,
      mode: level === 'none' ? 'none' : 'merkle',
      quote: this.#quote,
      timeouts,
    } as const;
    return openJob(
      { peer, clock, logger },
      { ...job, ...(await this.#payment.plan(this.#quote?.quote ?? null, timeouts, { signal: this.#signal })) },
      { signal: this.#signal },
    );
  }

  async #receive(job: Job): Promise<void> {
    let accepted = false;
    const stop = (): void => {
      // Before the accept there is nothing to cancel.
      if (!accepted) job.abort(this.#interrupted());
      else {
        this.#cancelN = job.received.n;
        job.cancel().catch((error: unknown) => job.abort(toError(error)));
      }
    };
    this.#signal.addEventListener('abort', stop);
    const unwatch = this.#payment.watch((error) => job.abortWaiting(error));
    try {
      if (this.#signal.aborted) stop();
      for await (const frame of job.frames()) {
        if (frame.t === 'accept') {
          accepted = true;
          this.#observer.accepted?.(job.received.promptTokens.length, this.#model);
          if (this.#signal.aborted) stop();
        }
        if (frame.t !== 'tokens') continue;
        this.#init.stopwatch.tokens(job.received.n);
        await this.#observer.text(frame.text);
      }
    } finally {
      unwatch();
      this.#signal.removeEventListener('abort', stop);
    }
  }

  #interrupted(): QvacError {
    return new QvacError('E_INTERRUPTED', 'stopped');
  }

  async #failed(error: Error, job: Job | null): Promise<DirectOutcome> {
    const { reputation } = this.#components;
    const {
      choice: {
        card: { peer },
        model,
      },
      input,
      sampler,
    } = this.#init;
    job?.abort(error);
    const givenUp = this.#payment.giveUp(job?.received ?? null);
    const caught = error instanceof FaultError && job !== null && job.received.n > 0 && !this.#signal.aborted;
    if (this.#payment.isLocked && !caught)
      this.#observer.note(
        'nobody gets what was locked for this: it comes back as soon as the provider gives it up, else after ten minutes (qvac jobs ls)',
      );
    if (this.#signal.aborted) throw this.#interrupted();
    // Of these the provider knows nothing.
    if (error instanceof QvacError && ownFailures.has(error.code)) throw error;
    if (error instanceof FaultError) reputation.record(peer, { kind: 'fault', fault: error.fault });
    else if (!(error instanceof QvacError)) throw error;
    else if (!mayBeTooLong(error, model, input, sampler.maxTokens))
      reputation.record(peer, { kind: error.code === 'E_BUSY' ? 'busy' : 'aborted' });
    if (caught) return { answer: this.#faulty(job, error, await givenUp) };
    if (job === null || job.received.n === 0)
      return { answer: null, error: mayBeTooLong(error, model, input, sampler.maxTokens) ? asTooLong(error) : error };
    throw error;
  }

  async #settle(job: Job): Promise<Answer> {
    const { level, stopwatch, thorough } = this.#init;
    const interrupted = this.#signal.aborted && !thorough;
    const timing = stopwatch.read();
    this.#learnServed(job, timing);
    this.#tellDelivered(job);
    // Whoever pressed Ctrl-C wants the end, not a re-execution.
    const depth = interrupted && level === 'full' ? 'sampling' : level;
    if (depth !== 'none') this.#observer.checking(depth);
    const options = interrupted ? { signal: AbortSignal.timeout(interruptedSettleMs) } : {};
    const { settled, cutShort } = await this.#check(job, depth, options);
    const { assessment } = settled;
    this.#learn(assessment);
    let storeError = await this.#save(settled.receipt);
    const payment = await this.#payment.settle({ ...settled, verdictDigest: sha256(settled.verdict.body) }, options);
    if (payment !== null) storeError = await this.#save({ ...settled.receipt, settlement: settlementJson(payment) });
    const tooLate =
      payment !== null &&
      (cutShort || (assessment.result === 'fail' && (payment.state === 'submitted' || payment.paid > 0n)));
    return {
      ...this.#answerOf(job),
      level,
      verification: assessment,
      why: reasonFor(assessment, { level, interrupted }),
      receipt: job.jobId,
      storeError,
      timing,
      payment,
      tooLate,
      interrupted: this.#signal.aborted,
    };
  }

  /** As far as the time allows in which the answer can be rejected. */
  async #check(
    job: Job,
    depth: VerifyLevel,
    options: AbortOptions,
  ): Promise<{ readonly settled: Conclusion; readonly cutShort: boolean }> {
    // Nothing else takes long.
    const window = depth === 'full' ? this.#payment.openWindow() : null;
    try {
      const settled = await concludeJob(this.#components, job, this.#secret, depth, {
        ...options,
        until: window?.until,
      });
      return { settled, cutShort: window?.until?.aborted === true && settled.assessment.result === 'inconclusive' };
    } finally {
      window?.close();
    }
  }

  #save(receipt: Receipt): Promise<Error | null> {
    return this.#components.receipts.save(receipt).then(
      () => null,
      (error: unknown) => toError(error),
    );
  }

  #tellDelivered(job: Job): void {
    const { final, n, promptTokens } = job.received;
    if (final !== null)
      this.#observer.delivered?.({
        finish: final.finish,
        promptTokens: promptTokens.length,
        tokens: n,
        payableTokens: this.#payable(job),
        costLamports: this.#cost(job),
        receipt: job.jobId,
      });
  }

  #answerOf(job: Job): Pick<Answer, 'text' | 'tokens' | 'finish' | 'provider' | 'router' | 'model' | 'costLamports'> {
    const { text, n, final } = job.received;
    return {
      text,
      tokens: n,
      finish: final?.finish ?? null,
      provider: job.provider,
      router: null,
      model: this.#model,
      costLamports: this.#cost(job),
    };
  }

  #payable({ received: { final, n } }: Job): number {
    return payableTokens({ n, finish: final?.finish ?? 255, cancelN: this.#cancelN });
  }

  #cost(job: Job): bigint {
    if (this.#quote === null) return 0n;
    const { priceIn, priceOut } = this.#quote.quote;
    return priceLamports({ promptCount: job.received.promptTokens.length, n: this.#payable(job), priceIn, priceOut });
  }

  /** A rule was broken in the middle of the answer: there is no final head, so no receipt, and nothing to pay. */
  #faulty(job: Job, error: FaultError, payment: Settlement | null): Answer {
    const { level, stopwatch } = this.#init;
    return faultyAnswer({ ...this.#answerOf(job), level, timing: stopwatch.read() }, error, payment);
  }

  #learnServed(job: Job, timing: Answer['timing']): void {
    const { choice } = this.#init;
    const { n } = job.received;
    const served = {
      kind: 'served',
      model: choice.modelId,
      n,
      firstTokenMs: timing.firstTokenMs ?? timing.totalMs,
      totalMs: timing.totalMs,
    } as const;
    this.#components.reputation.record(choice.card.peer, served);
  }

  #learn(assessment: Assessment): void {
    const { peer } = this.#init.choice.card;
    const [fault] = assessment.faults;
    if (fault !== undefined) this.#components.reputation.record(peer, { kind: 'fault', fault });
    else if (assessment.result === 'pass' && isRecomputed(assessment))
      this.#components.reputation.record(peer, { kind: 'verified' });
  }
}

/** What went wrong on this side alone: another provider would do no better. */
const ownFailures: ReadonlySet<ErrorCode> = new Set(['E_BAD_INPUT', 'E_CHAIN', 'E_FUNDS', 'E_TOO_DEAR', 'E_HOME']);

/** How long an answer that was stopped may take to be settled, in ms. */
const interruptedSettleMs = 4_000;
