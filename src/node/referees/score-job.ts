import { randomBytes } from 'node:crypto';
import { QvacError, toError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import { type Assessment, assess } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { type ComparisonEvidence, compareWithReferee } from '../../proofs/score/compare.ts';
import type { Comparison } from '../../proofs/score/referees.ts';
import type { ScoreRequest } from '../../proofs/score/score-request.ts';
import { defaultChallenges } from '../../protocol/constants.ts';
import { requestDigestOf, sha256 } from '../../protocol/digests.ts';
import { modes, type PayFrom } from '../../protocol/messages.ts';
import { type Delivery, deliverVerdict, type JudgeComponents, judge, requestOpening } from '../job/conclude.ts';
import { costOf } from '../job/cost.ts';
import type { Job, JobInit, SignedQuote } from '../job/job.ts';
import { type JobComponents, openJob } from '../job/open-job.ts';
import { fetchQuote } from '../job/quote.ts';
import { JobPayment, paidAcceptMs, walletOf } from '../payment/job-payment.ts';
import { settlementJson } from '../payment/outcome.ts';
import type { ClientPayments, Settlement } from '../payment/payments.ts';
import { experienceOf } from '../selection/learning.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { Choice } from '../selection/select.ts';
import { scoreBaseMs, scoreTokenMs, verdictTimeoutMs } from './constants.ts';

export interface ScoreJobComponents extends JobComponents, JudgeComponents {
  readonly reputation: Pick<Reputation, 'record'>;
  /** Null: no referee is paid. */
  readonly payments: ClientPayments | null;
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

export interface ScoreJobInit {
  readonly choice: Choice;
  /** The answer under test. */
  readonly receipt: Receipt;
  readonly request: ScoreRequest;
  /** Upper bound of the prompt's tokens. */
  readonly promptTokens: number;
  readonly evidence: ComparisonEvidence;
}

/** A score job whose referee has signed its head, and so is bound to its numbers. */
export interface ScoreJob {
  readonly peer: PeerIdString;
  readonly jobId: JobId;
  /** What it costs at the signed prices. */
  readonly costLamports: bigint;
  /**
   * Has it opened, and compares. Never throws but for an aborted signal.
   * @returns null if the referee does not open, or opens what does not pass its own checks
   */
  open(options?: AbortOptions): Promise<Comparison | null>;
  /**
   * Signs and sends the verdict on the score job, keeps its receipt and settles its payment.
   * @param isFar it contradicts two other referees
   */
  conclude(isFar: boolean): Promise<Settlement | null>;
  /** Gives the job up. What was acknowledged is due. */
  abandon(reason: Error): void;
}

/**
 * Asks one referee for its head over an answer.
 * @throws QvacError with the reason that it gave none; FaultError
 */
export async function askReferee(
  components: ScoreJobComponents,
  init: ScoreJobInit,
  options: AbortOptions = {},
): Promise<ScoreJob> {
  const { reputation, payments } = components;
  const { choice, request } = init;
  const maxPrice = Number(choice.priceLamports);
  // A referee is drawn, not chosen: no deposit is made for it, but one that was is used.
  const most = { maxTokens: request.sampler.maxTokens, maxPrice, isOpenOnly: true };
  const payment = new JobPayment({ openWallet: walletOf(payments) }, most);
  const secret = Uint8Array.from(randomBytes(32));
  let job: Job | null = null;
  try {
    job = await open(components, init, { payment, secret }, options);
    await receiveHead(job, options);
    return new HeadedScore(components, init, { job, payment, secret });
  } catch (error) {
    job?.abort(toError(error));
    void payment.abandon(job);
    options.signal?.throwIfAborted();
    if (error instanceof FaultError || error instanceof QvacError)
      reputation.record(choice.card.peer, experienceOf(error));
    throw error;
  }
}

async function open(
  components: ScoreJobComponents,
  init: ScoreJobInit,
  { payment, secret }: { readonly payment: JobPayment; readonly secret: Uint8Array },
  options: AbortOptions,
): Promise<Job> {
  const { choice, request, receipt } = init;
  const { card, model, priceLamports } = choice;
  const paid = { peer: card.peer, key: card.card.peer, pay: card.card.pay, slots: model.slots, priceLamports };
  const pay = await payment.choose(paid, options);
  const quote = priceLamports === 0n ? null : await quoteScore(components, init, pay, options);
  const { input, sampler, extra, grammar } = request;
  const totalMs = scoreBaseMs + scoreTokenMs * (receipt.promptTokens.length + sampler.maxTokens);
  const job: JobInit = {
    card,
    model,
    input,
    sampler,
    extra,
    grammar,
    seed: Uint8Array.from(randomBytes(32)),
    commit: sha256(secret),
    count: defaultChallenges,
    mode: modes.score,
    quote,
    ...(await payment.plan(quote?.quote ?? null, options)),
    timeouts: quote?.quote.pay == null ? { totalMs } : { acceptMs: paidAcceptMs, totalMs },
  };
  return openJob(components, job, options);
}

function quoteScore(
  components: ScoreJobComponents,
  { choice: { card, model }, request, promptTokens }: ScoreJobInit,
  pay: PayFrom,
  options: AbortOptions,
): Promise<SignedQuote> {
  const { input, sampler } = request;
  return fetchQuote(
    components,
    {
      card,
      model,
      requestDigest: requestDigestOf(input),
      mode: modes.score,
      pay,
      promptTokens,
      maxTokens: sampler.maxTokens,
    },
    options,
  );
}

async function receiveHead(job: Job, { signal }: AbortOptions): Promise<void> {
  const stop = (): void => job.abort(toError(signal?.reason));
  signal?.addEventListener('abort', stop);
  try {
    if (signal?.aborted === true) stop();
    for await (const frame of job.frames()) void frame;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

class HeadedScore implements ScoreJob {
  readonly #components: ScoreJobComponents;
  readonly #init: ScoreJobInit;
  readonly #job: Job;
  readonly #payment: JobPayment;
  readonly #secret: Uint8Array;
  #assessment: Assessment | null = null;
  #comparison: Comparison | null = null;

  constructor(
    components: ScoreJobComponents,
    init: ScoreJobInit,
    { job, payment, secret }: { readonly job: Job; readonly payment: JobPayment; readonly secret: Uint8Array },
  ) {
    this.#components = components;
    this.#init = init;
    this.#job = job;
    this.#payment = payment;
    this.#secret = secret;
  }

  get peer(): PeerIdString {
    return this.#job.provider;
  }

  get jobId(): JobId {
    return this.#job.jobId;
  }

  get costLamports(): bigint {
    const { offer, received, ackedTokens } = this.#job;
    return costOf(offer, { promptCount: received.promptTokens.length, n: received.n, ackedTokens });
  }

  async open(options: AbortOptions = {}): Promise<Comparison | null> {
    const { receipt, evidence } = this.#init;
    const fault = await requestOpening(this.#job, this.#secret, options);
    const score = this.#job.received.receipt([]);
    const own = assess(score, { vocabulary: evidence.vocabulary });
    this.#assessment =
      fault !== null && own.result !== 'fail' ? { ...own, result: 'fail', tier: 'sampling', faults: [fault] } : own;
    this.#comparison = this.#assessment.result === 'pass' ? compareWithReferee(receipt, score, evidence) : null;
    return this.#comparison;
  }

  async conclude(isFar: boolean): Promise<Settlement | null> {
    const { reputation } = this.#components;
    const assessment = this.#judged(isFar);
    const conclusion = await judge(this.#components, this.#job, { check: async () => assessment, fault: null });
    const { verdict } = conclusion;
    const release = await this.#payment.release({ assessment, verdictDigest: sha256(verdict.body) });
    void this.#deliver({ verdict, release });
    const [fault] = assessment.faults;
    if (fault !== undefined) reputation.record(this.peer, { kind: 'fault', fault });
    await this.#save(conclusion.receipt);
    const settlement = await this.#payment.settle(
      {
        ...conclusion,
        verdictDigest: sha256(conclusion.verdict.body),
      },
      {},
    );
    if (settlement !== null) await this.#save({ ...conclusion.receipt, settlement: settlementJson(settlement) });
    return settlement;
  }

  abandon(reason: Error): void {
    this.#job.abort(reason);
    void this.#payment.abandon(this.#job);
  }

  /** Never throws. */
  async #deliver(delivery: Delivery): Promise<void> {
    const options = { signal: AbortSignal.timeout(verdictTimeoutMs) };
    this.#payment.delivered(await deliverVerdict(this.#job, delivery, this.#components.logger, options));
  }

  #judged(isFar: boolean): Assessment {
    const own = this.#assessment ?? assess(this.#job.received.receipt([]), {});
    if (!isFar || own.result === 'fail') return own;
    return { ...own, result: 'fail', tier: this.#comparison?.tier ?? own.tier, faults: ['referee-far'] };
  }

  async #save(receipt: Receipt): Promise<void> {
    const { receipts, logger } = this.#components;
    await receipts
      .save(receipt)
      .catch((error: unknown) =>
        logger.warn('the receipt of a score was not stored', { job: this.jobId, reason: toError(error).message }),
      );
  }
}
