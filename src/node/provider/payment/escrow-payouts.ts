import { messageOf, QvacError } from '../../../errors.ts';
import type { JobAccount } from '../../../escrow/accounts.ts';
import { escrowRules } from '../../../escrow/constants.ts';
import type { Escrow, JobKey } from '../../../escrow/escrow.ts';
import { RefusedError } from '../../../escrow/refusal.ts';
import { anySignal, delay } from '../../../lib/abort.ts';
import { equalBytes, fromHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, JobId } from '../../../lib/types.ts';
import { jobIdHex } from '../../../protocol/digests.ts';
import { modes, type Pay, payFrom } from '../../../protocol/messages.ts';
import { amountLamports } from '../../../protocol/price.ts';
import { createJournal } from '../../home/journal.ts';
import { OfferRefusal } from '../refusal.ts';
import { Deliveries } from './deliveries.ts';
import { keptDeliveryForm } from './kept-delivery.ts';
import type { AdmittedOrder, PaidJob, PaidOrder, PaymentNews, ProviderPayouts } from './payouts.ts';

export interface EscrowPayoutsComponents {
  /** Must have the wallet that is registered as this provider's authority. */
  readonly escrow: Escrow;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EscrowPayoutsInit {
  /** The node's key, as registered with the wallet, 32 bytes. */
  readonly peer: Uint8Array;
  /** Folder of the delivered answers that are not settled. */
  readonly dir: string;
  /** Interval of the sweep over all of this provider's jobs, in ms. @default 15_000 */
  readonly sweepMs?: number | undefined;
  /**
   * How long before the client can take a refund the answer must end, in ms: its submission takes time, too.
   * @default 60_000
   */
  readonly marginMs?: number | undefined;
  readonly onNews?: ((news: PaymentNews) => void) | undefined;
}

/** How long `stop` waits for running transactions, ms. */
const stopMs = 5_000;
/**
 * Limits of the offers that wait for their accounts at once, and of the refused offers that do so to be declined. An
 * offer costs its client nothing, but each wait polls the chain. A client that locks before it sends the offer needs no
 * wait, and the sweep declines the rest.
 */
const maxWaiting = 16;
const maxDeclining = 8;

/** @throws RangeError if the escrow has no wallet */
export function createEscrowPayouts(components: EscrowPayoutsComponents, init: EscrowPayoutsInit): ProviderPayouts {
  return new EscrowPayouts(components, init);
}

class EscrowPayouts implements ProviderPayouts {
  readonly pay: Pay;
  readonly #escrow: Escrow;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #init: EscrowPayoutsInit;
  readonly #deliveries: Deliveries;
  /** The jobs being served, with the stake that each will lock, lamports. */
  readonly #serving = new Map<JobId, bigint>();
  #waiting = 0;
  #declining = 0;
  /** The refused jobs, each with the time at which its offer expires. */
  readonly #unserved = new Map<JobId, number>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #end = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor({ escrow, clock, logger }: EscrowPayoutsComponents, init: EscrowPayoutsInit) {
    if (escrow.wallet === null) throw new RangeError('"escrow" expected a wallet, got none');
    this.pay = { chain: escrow.chain, program: escrow.program, payee: escrow.wallet };
    this.#escrow = escrow;
    this.#clock = clock;
    this.#logger = logger;
    this.#init = init;
    const journal = createJournal(init.dir, keptDeliveryForm, logger);
    this.#deliveries = new Deliveries({
      escrow,
      journal,
      onNews: (news) => this.#report(news),
      releaseStake: (jobId) => void this.#serving.delete(jobId),
      end: this.#end.signal,
    });
  }

  async start(): Promise<void> {
    await this.#deliveries.recall();
    await this.#sweep();
    this.#schedule();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#end.abort(new Error('stopping'));
    await Promise.race([Promise.allSettled([...this.#tasks, this.#sweeping]), delay(stopMs)]);
  }

  async secure(order: AdmittedOrder, options: AbortOptions = {}): Promise<PaidJob> {
    const { jobId } = order;
    this.#serving.set(jobId, 0n);
    try {
      const account = await this.#awaitAccount(order, options);
      // Amount, prices and limits are those of the offer: the program read them from its body.
      const isOurs = equalBytes(account.provider, this.pay.payee) && equalBytes(account.peer, this.#init.peer);
      if (account.submitted !== null || !isOurs)
        throw new OfferRefusal('bad-offer', 'the payment on the chain is not for this provider');
      this.#serving.set(jobId, escrowRules.slashMultiple * highestPayout(order));
      const leftMs = account.refundAt - (this.#init.marginMs ?? 60_000) - (await this.#escrow.now());
      if (leftMs <= 0) throw new OfferRefusal('bad-offer', 'the payment on the chain is about to expire');
      await this.#checkStake();
      return this.#paidJob(jobId, account, AbortSignal.timeout(leftMs));
    } catch (error) {
      this.#serving.delete(jobId);
      throw this.#refused(order, error);
    }
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

  #refused(order: PaidOrder, error: unknown): unknown {
    this.decline(order);
    if (error instanceof QvacError && (error.code === 'E_CHAIN' || error.code === 'E_ESCROW')) {
      this.#logger.warn('the payment of a job could not be read from the chain', {
        job: order.jobId,
        reason: error.message,
      });
      return new OfferRefusal('internal', 'this provider cannot read the chain now');
    }
    return error;
  }

  async #awaitAccount({ offer, jobId }: PaidOrder, { signal }: AbortOptions): Promise<JobAccount> {
    const address = this.#escrow.jobAddress(offer.payment.account, fromHex(jobId));
    const locked = await this.#escrow.job(address, { signal });
    if (locked !== null) return locked;
    if (this.#waiting >= maxWaiting) throw new OfferRefusal('busy', 'too many jobs wait for their payment');
    const expiry = AbortSignal.timeout(Math.max(1, Number(offer.expiresAt) - this.#clock.now()));
    this.#waiting++;
    try {
      const found = await this.#escrow.waitForJob(address, (job) => job !== null, {
        signal: anySignal(expiry, this.#end.signal, signal),
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
    const account = await this.#escrow.provider(this.pay.payee);
    const needed = [...this.#serving.values()].reduce((sum, stake) => sum + stake, 0n);
    if (account === null || account.freeStake < needed)
      throw new OfferRefusal('busy', 'the stake does not cover another job now');
  }

  #paidJob(jobId: JobId, account: JobAccount, late: AbortSignal): PaidJob {
    const { address } = account;
    return {
      late,
      keep: ({ head, ack }) => this.#deliveries.keep(jobId, { address, head, ack }),
      deliver: async (deliverable) => {
        await this.#deliveries.add(jobId, address, deliverable);
        this.#task(() => this.#deliveries.submitAndFollow(jobId));
      },
      decline: () => {
        if (this.#deliveries.has(jobId)) return;
        this.#serving.delete(jobId);
        this.#unserved.set(jobId, account.refundAt);
        this.#task(async () => {
          await this.#deliveries.forget(jobId);
          await this.#declineAccount(jobId, account);
        });
      },
    };
  }

  async #declineWhenThere(jobId: JobId, address: Uint8Array, until: number): Promise<void> {
    const expiry = AbortSignal.timeout(Math.max(1, until - this.#clock.now()));
    this.#declining++;
    const account = await this.#escrow
      .waitForJob(address, (job) => job !== null, { signal: anySignal(expiry, this.#end.signal) })
      .catch(() => null);
    this.#declining--;
    if (account === null) {
      // If the chain did not answer, the sweep tries again.
      if (expiry.aborted) this.#unserved.delete(jobId);
      return;
    }
    if (equalBytes(account.provider, this.pay.payee) && account.submitted === null)
      await this.#declineAccount(jobId, account);
  }

  async #declineAccount(jobId: JobId, account: JobKey): Promise<void> {
    await this.#escrow.refundJob(account);
    this.#unserved.delete(jobId);
    this.#report({ job: jobId, state: 'declined', lamports: 0n });
  }

  #schedule(): void {
    if (this.#end.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep().then(() => this.#schedule());
    }, this.#init.sweepMs ?? 15_000).unref();
  }

  /** Handles every open job of this provider, including those of earlier processes. Never throws. */
  async #sweep(): Promise<void> {
    try {
      const [jobs, now] = await Promise.all([this.#escrow.jobs({ provider: this.pay.payee }), this.#escrow.now()]);
      for (const [jobId, expiresAt] of this.#unserved) if (expiresAt < this.#clock.now()) this.#unserved.delete(jobId);
      for (const job of jobs) {
        if (this.#end.signal.aborted) return;
        await this.#handle(job, now).catch((error: unknown) => this.#failed(error));
      }
      await this.#deliveries.concludeOthers(jobs);
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * Has one job's payment released, submits or declines it, as is due. A job whose offer never came is left to its
   * maker, who can refund it: declining it would cost this provider a fee for each.
   */
  async #handle(job: JobAccount, now: number): Promise<void> {
    const jobId = jobIdHex(job.jobId);
    if (job.submitted !== null) {
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
    if (this.#end.signal.aborted) return;
    // Another process or the client was faster; the next sweep sees the result.
    const expected =
      error instanceof RefusedError && (error.refusal === 'NoAccount' || error.refusal === 'InvalidStatus');
    this.#logger[expected ? 'debug' : 'warn']('a payment is not settled yet', {
      reason: messageOf(error),
    });
  }

  #report(news: PaymentNews): void {
    this.#init.onNews?.(news);
  }
}

/** By the prompt that came, not by the quoted bound: a client can lock far more than its answer can cost. */
function highestPayout({ offer: { sampler, mode, terms }, promptCount }: AdmittedOrder): bigint {
  const isScore = mode === modes.score;
  return amountLamports({ promptTokens: promptCount, maxTokens: sampler.maxTokens, isScore }, terms);
}
