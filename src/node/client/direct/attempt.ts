import { randomBytes } from 'node:crypto';
import { dimensionsOf } from '../../../protocol/embedding.ts';
import { inputFor } from '../../../protocol/input/system-in-turn.ts';
import { type Input, type Mode, modes } from '../../../protocol/messages.ts';
import { extraFor } from '../../job/answer-extra.ts';
import { costOf, countsOf, payableTokens } from '../../job/cost.ts';
import type { Job, JobTimeouts, SignedQuote } from '../../job/job.ts';
import { Redrawn } from '../../job/redrawn.ts';
import { JobPayment, walletOf } from '../../payment/job-payment.ts';
import { modeOf } from '../../verification/verification.ts';
import type { Answer, AnswerModel, AskObserver, DeliveredAnswer } from '../answer.ts';
import { type FinishedAnswer, finishAnswer } from '../finish.ts';
import { startStopwatch } from '../stopwatch.ts';
import type { DirectComponents, DirectInit } from './direct-init.ts';

/** One attempt to get an answer from one provider: its secret, its payment, and what it has shown of its job. */
export class Attempt {
  readonly components: DirectComponents;
  readonly init: DirectInit;
  readonly observer: AskObserver;
  readonly signal: AbortSignal;
  readonly payment: JobPayment;
  /** As the chosen model is asked. */
  readonly input: Input;
  readonly redrawn: Redrawn;
  /** Of this attempt alone. */
  readonly stopwatch = startStopwatch();
  /** Null for a free answer, and before it is fetched. */
  quote: SignedQuote | null = null;
  /** 32 random bytes that choose the steps to open, revealed after the final head. */
  readonly secret = Uint8Array.from(randomBytes(32));

  constructor(components: DirectComponents, init: DirectInit, observer: AskObserver, signal: AbortSignal) {
    this.components = components;
    this.init = init;
    this.observer = observer;
    this.signal = signal;
    this.input = inputFor(init.choice.model, init.input);
    this.redrawn = new Redrawn(init.choice.card.peer, init.soFar.redrawn);
    const { sampler, maxPrice, pay, maxDepositLamports, timeouts } = init;
    const { payments = null } = components;
    const onHold = (lamports: bigint): void => observer.locking?.(lamports);
    this.payment = new JobPayment(
      { openWallet: walletOf(payments) },
      { pay, maxDepositLamports, waitMs: timeouts.totalMs, maxTokens: sampler.maxTokens, maxPrice, onHold },
    );
  }

  /** Texts are embedded, in the place of an answer (section 4.9). */
  get isEmbedding(): boolean {
    return this.input.template === 'embed';
  }

  /** Of an embedding job none: no program on a chain may ask for steps. */
  get mode(): Mode {
    return this.isEmbedding ? modes.none : modeOf(this.init.level);
  }

  /** What is left of its time: it may have waited for a place in a channel. */
  get timeouts(): Partial<JobTimeouts> {
    const { totalMs, ...others } = this.init.timeouts;
    if (totalMs === undefined) return others;
    return { ...others, totalMs: Math.max(1, totalMs - this.stopwatch.read().totalMs) };
  }

  /** The settings beyond the sampler, as the chosen model is asked. */
  get extra(): Uint8Array {
    const { choice, extra } = this.init;
    const dimensions = dimensionsOf(choice.model);
    return extraFor(choice.model, this.isEmbedding && dimensions !== null ? { embed: dimensions } : extra);
  }

  get model(): AnswerModel {
    const { model, modelId } = this.init.choice;
    return { name: model.name, quant: model.quant, id: modelId };
  }

  /** Whether a token arrived that was not shown before. */
  hasShown({ received }: Job): boolean {
    return !this.isEmbedding && received.n > this.init.soFar.redrawn.tokens.length && !this.redrawn.isOther;
  }

  /** What has arrived, before any check. */
  answerOf(job: Job): DeliveredAnswer & Pick<Answer, 'level' | 'timing'> {
    const { text, n, final, vectors } = job.received;
    return {
      text,
      vectors,
      tokens: n,
      finish: final?.finish ?? null,
      provider: job.provider,
      router: null,
      model: this.model,
      costLamports: costOf(job.offer, countsOf(job)),
      level: this.init.level,
      timing: this.init.stopwatch.read(),
    };
  }

  /** Checks and settles an answer that has its final head. */
  finish(job: Job, observer: AskObserver): Promise<FinishedAnswer> {
    const { choice, level, thorough, earlier, refereeCount = null, auditRate, maxPrice } = this.init;
    const { timing, ...answer } = this.answerOf(job);
    return finishAnswer(
      this.components,
      {
        job,
        secret: this.secret,
        payment: this.payment,
        answer,
        earlier,
        modelId: choice.modelId,
        payableTokens: payableTokens(job.offer, countsOf(job)),
        level,
        refereeCount,
        auditRate,
        provider: choice.card,
        maxPrice,
        timing,
        ownTiming: this.stopwatch.read(),
        interrupted: this.signal.aborted,
        thorough,
      },
      observer,
    );
  }
}
