import { messageOf } from '../../../errors.ts';
import type { JobAccount } from '../../../escrow/accounts.ts';
import { escrowRules } from '../../../escrow/constants.ts';
import type { Escrow, JobKey } from '../../../escrow/escrow.ts';
import { RefusedError } from '../../../escrow/refusal.ts';
import { anySignal } from '../../../lib/abort.ts';
import { equalBytes, fromHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, JobId } from '../../../lib/types.ts';
import { jobIdHex } from '../../../protocol/digests.ts';
import { modes, payFrom } from '../../../protocol/messages.ts';
import { amountLamports } from '../../../protocol/price.ts';
import { OfferRefusal } from '../refusal.ts';
import type { ChallengeAnswers } from './challenge-answers.ts';
import { Deliveries } from './deliveries.ts';
import { openKeptDeliveries } from './kept-delivery.ts';
import type { AdmittedOrder, PaidJob, PaidOrder, PaymentNews } from './payouts.ts';
import type { StakeLedger } from './stake-ledger.ts';
import type { StepFiles } from './step-files.ts';

export interface JobPayoutsComponents {
  readonly escrow: Escrow;
  readonly stake: StakeLedger;
  readonly steps: StepFiles;
  readonly challenges: ChallengeAnswers;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JobPayoutsInit {
  /** The provider's authority, and its node's key. */
  readonly payee: Uint8Array;
  readonly peer: Uint8Array;
  /** Folder of the delivered answers that are not settled. */
  readonly dir: string;
  /** How long before the client can take a refund the answer must end, in ms. */
  readonly marginMs: number;
  readonly onNews: (news: PaymentNews) => void;
  /** Ends all waiting. */
  readonly end: AbortSignal;
}

/**
 * Limits of the offers that wait for their accounts at once, and of the refused offers that do so to be declined. An
 * offer costs its client nothing, but each wait polls the chain. A client that locks before it sends the offer needs no
 * wait, and the sweep declines the rest.
 */
const maxWaiting = 16;
const maxDeclining = 8;

/** Payments from accounts of their own: waits until each is locked, has it submitted, declined or paid out. */
export class JobPayouts {
  readonly #components: JobPayoutsComponents;
  readonly #init: JobPayoutsInit;
  readonly #escrow: Escrow;
  readonly #deliveries: Deliveries;
  /** The jobs being served whose stake the chain has not locked. */
  readonly #serving = new Set<JobId>();
  /** The refused jobs, each with the time at which its offer expires. */
  readonly #unserved = new Map<JobId, number>();
  readonly #tasks = new Set<Promise<void>>();
  #waiting = 0;
  #declining = 0;

  constructor(components: JobPayoutsComponents, init: JobPayoutsInit) {
    const { escrow, steps, logger } = components;
    const { dir, onNews, end } = init;
    this.#components = components;
    this.#init = init;
    this.#escrow = escrow;
    const journal = openKeptDeliveries(dir, logger);
    const releaseStake = (jobId: JobId): void => this.#served(jobId);
    this.#deliveries = new Deliveries({ escrow, journal, steps, onNews, releaseStake, end });
  }

  /** Takes over what earlier processes delivered. @throws QvacError E_HOME */
  async recall(): Promise<void> {
    await this.#deliveries.recall();
  }

  /** Resolves when running transactions have ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tasks);
  }

  /** As of `ProviderPayouts`, and throws QvacError E_CHAIN, E_ESCROW. */
  async secure(order: AdmittedOrder, options: AbortOptions = {}): Promise<PaidJob> {
    const { jobId } = order;
    this.#serving.add(jobId);
    try {
      const account = await this.#awaitAccount(order, options);
      // Amount, prices and limits are those of the offer: the program read them from its body.
      const isOurs = equalBytes(account.provider, this.#init.payee) && equalBytes(account.peer, this.#init.peer);
      if (account.submitted !== null || !isOurs)
        throw new OfferRefusal('bad-offer', 'the payment on the chain is not for this provider');
      this.#components.stake.reserveJob(jobId, escrowRules.slashMultiple * highestPayout(order));
      const leftMs = account.refundAt - this.#init.marginMs - (await this.#escrow.now());
      if (leftMs <= 0) throw new OfferRefusal('bad-offer', 'the payment on the chain is about to expire');
      await this.#checkStake();
      return this.#paidJob(jobId, account, AbortSignal.timeout(leftMs));
    } catch (error) {
      this.#served(jobId);
      throw error;
    }
  }

  #served(jobId: JobId): void {
    this.#serving.delete(jobId);
    this.#components.stake.release(jobId);
  }

  decline({ jobId, offer }: PaidOrder): void {
    const { payment } = offer;
    // An offer must not decline the payment of a job that is being served or was delivered.
    if (payment.pay !== payFrom.jobAccount) return;
    if (this.#serving.has(jobId) || this.#deliveries.has(jobId) || this.#unserved.size >= 4_096) return;
    const expiresAt = Number(offer.expiresAt);
    this.#unserved.set(jobId, expiresAt);
    if (this.#declining >= maxDeclining) return;
    const address = this.#escrow.jobAddress(payment.account, fromHex(jobId));
    this.#task(() => this.#declineWhenThere(jobId, address, expiresAt));
  }

  async #awaitAccount({ offer, jobId }: PaidOrder, { signal }: AbortOptions): Promise<JobAccount> {
    const address = this.#escrow.jobAddress(offer.payment.account, fromHex(jobId));
    const locked = await this.#escrow.job(address, { signal });
    if (locked !== null) return locked;
    if (this.#waiting >= maxWaiting) throw new OfferRefusal('busy', 'too many jobs wait for their payment');
    const expiry = AbortSignal.timeout(Math.max(1, Number(offer.expiresAt) - this.#components.clock.now()));
    this.#waiting++;
    try {
      const found = await this.#escrow.waitForJob(address, (job) => job !== null, {
        signal: anySignal(expiry, this.#init.end, signal),
      });
      if (found !== null) return found;
    } catch (error) {
      signal?.throwIfAborted();
      if (!expiry.aborted) throw error;
    } finally {
      this.#waiting--;
    }
    throw new OfferRefusal('bad-offer', 'the payment is not on the chain');
  }

  /** @throws OfferRefusal if the stake does not cover all running jobs */
  async #checkStake(): Promise<void> {
    if (!(await this.#components.stake.read()).covers)
      throw new OfferRefusal('busy', 'the stake does not cover another job now');
  }

  #paidJob(jobId: JobId, account: JobAccount, late: AbortSignal): PaidJob {
    const { address } = account;
    return {
      late,
      refusalOf: () => null,
      take: () => undefined,
      keep: async (state) => {
        if (state !== null) await this.#deliveries.keep(jobId, { address, head: state.head(), ack: state.ack });
      },
      keepSteps: (steps) => this.#components.steps.append(jobId, jobId, steps),
      deliver: (deliverable) => this.#deliveries.add(jobId, address, deliverable),
      submit: () => this.#task(() => this.#deliveries.submitAndFollow(jobId)),
      decline: () => {
        if (this.#deliveries.has(jobId)) return;
        this.#served(jobId);
        this.#unserved.set(jobId, account.refundAt);
        this.#task(async () => {
          await this.#deliveries.forget(jobId);
          await this.#declineAccount(jobId, account);
        });
      },
      verdict: () => undefined,
      leave: () => undefined,
    };
  }

  async #declineWhenThere(jobId: JobId, address: Uint8Array, until: number): Promise<void> {
    const expiry = AbortSignal.timeout(Math.max(1, until - this.#components.clock.now()));
    this.#declining++;
    const account = await this.#escrow
      .waitForJob(address, (job) => job !== null, { signal: anySignal(expiry, this.#init.end) })
      .catch(() => null);
    this.#declining--;
    if (account === null) {
      // If the chain did not answer, the sweep tries again.
      if (expiry.aborted) this.#unserved.delete(jobId);
      return;
    }
    if (equalBytes(account.provider, this.#init.payee) && account.submitted === null)
      await this.#declineAccount(jobId, account);
  }

  async #declineAccount(jobId: JobId, account: JobKey): Promise<void> {
    await this.#escrow.refundJob(account);
    this.#unserved.delete(jobId);
    this.#init.onNews({ job: jobId, state: 'declined', lamports: 0n });
  }

  /** Handles every open job of this provider, including those of earlier processes. @throws QvacError E_CHAIN */
  async sweep(): Promise<void> {
    const { payee, end } = this.#init;
    const [jobs, now] = await Promise.all([
      this.#escrow.jobs({ provider: payee }, { signal: end }),
      this.#escrow.now({ signal: end }),
    ]);
    const { clock } = this.#components;
    for (const [jobId, expiresAt] of this.#unserved) if (expiresAt < clock.now()) this.#unserved.delete(jobId);
    for (const job of jobs) {
      if (end.aborted) return;
      await this.#handle(job, now).catch((error: unknown) => this.#failed(error));
    }
    await this.#deliveries.concludeOthers(jobs);
  }

  /**
   * Has one job's payment released, submits or declines it, as is due. A job whose offer never came is left to its
   * maker, who can refund it: declining it would cost this provider a fee for each.
   */
  async #handle(job: JobAccount, now: number): Promise<void> {
    const jobId = jobIdHex(job.jobId);
    if (job.submitted !== null) {
      await this.#components.challenges.answerJob(job);
      if (now < job.submitted.releaseAt) return;
      await this.#escrow.confirmJob(job);
      await this.#deliveries.conclude(jobId);
    } else if (this.#deliveries.has(jobId)) {
      if (now < job.refundAt) await this.#deliveries.submit(job);
    } else if (!this.#serving.has(jobId) && this.#unserved.has(jobId)) {
      await this.#declineAccount(jobId, job);
    }
  }

  #task(run: () => Promise<void>): void {
    const task = run().catch((error: unknown) => this.#failed(error));
    this.#tasks.add(task);
    void task.finally(() => this.#tasks.delete(task));
  }

  #failed(error: unknown): void {
    if (this.#init.end.aborted) return;
    // Another process or the client was faster; the next sweep sees the result.
    const expected =
      error instanceof RefusedError && (error.refusal === 'NoAccount' || error.refusal === 'InvalidStatus');
    this.#components.logger[expected ? 'debug' : 'warn']('a payment is not settled yet', {
      reason: messageOf(error),
    });
  }
}

/** By the prompt that came, not by the quoted bound: a client can lock far more than its answer can cost. */
function highestPayout({ offer: { sampler, mode, terms }, promptCount }: AdmittedOrder): bigint {
  const isScore = mode === modes.score;
  return amountLamports({ promptTokens: promptCount, maxTokens: sampler.maxTokens, isScore }, terms);
}
