import type { JobAccount, JobOutcome } from '../../../escrow/accounts.ts';
import type { Escrow } from '../../../escrow/escrow.ts';
import { anySignal } from '../../../lib/abort.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { JobId } from '../../../lib/types.ts';
import { jobIdHex } from '../../../protocol/digests.ts';
import type { Journal } from '../../home/journal.ts';
import type { KeptDelivery } from './kept-delivery.ts';
import type { Deliverable, PaymentNews } from './payouts.ts';
import type { StepFiles } from './step-files.ts';

export interface DeliveriesComponents {
  readonly escrow: Escrow;
  readonly journal: Journal<KeptDelivery>;
  readonly steps: StepFiles;
  readonly onNews: (news: PaymentNews) => void;
  /** The program counts the stake of this job as locked from now on, or the job has ended. */
  readonly releaseStake: (jobId: JobId) => void;
  /** Ends all waiting. */
  readonly end: AbortSignal;
  /** @default this process's */
  readonly now?: Monotonic | undefined;
}

/** How long the end of a submitted job is waited for, ms: most clients confirm within seconds. */
const followMs = 60_000;
/**
 * How long a delivered answer is kept of which the chain has neither the account nor its end, ms: the node that is
 * asked may be late.
 */
const unknownMs = 300_000;

/** Delivered answers of this and of earlier processes: submits each, and follows it until its payment ends. */
export class Deliveries {
  readonly #components: DeliveriesComponents;
  /** Answers that are delivered, and what earlier processes left. */
  #delivered = new Map<JobId, KeptDelivery>();
  readonly #submitting = new Set<JobId>();
  /** Since when the chain knows nothing of an answer. */
  readonly #unknownSince = new Map<JobId, number>();

  constructor(components: DeliveriesComponents) {
    this.#components = components;
  }

  /** Takes over what earlier processes left: what was acknowledged of it is due. */
  async recall(): Promise<void> {
    for (const [jobId, kept] of await this.#components.journal.read()) {
      if (kept.ack === null) await this.forget(jobId);
      else this.#delivered.set(jobId, kept);
    }
  }

  has(jobId: JobId): boolean {
    return this.#delivered.has(jobId);
  }

  /** Keeps the state of a running answer, on disk when it resolves. @throws QvacError E_HOME */
  async keep(jobId: JobId, kept: KeptDelivery): Promise<void> {
    await this.#components.journal.write(jobId, kept);
  }

  /** The answer is delivered; on disk when it resolves. @throws QvacError E_HOME */
  async add(jobId: JobId, address: Uint8Array, { head, ack }: Deliverable): Promise<void> {
    const kept = { address, head, ack };
    await this.#components.journal.write(jobId, kept);
    this.#delivered.set(jobId, kept);
  }

  /** Nothing is due for this answer. */
  async forget(jobId: JobId): Promise<void> {
    const { journal, steps } = this.#components;
    this.#delivered.delete(jobId);
    this.#unknownSince.delete(jobId);
    await Promise.all([journal.remove(jobId), steps.remove(jobId)]);
  }

  /**
   * Submits, and follows the payment for a while; the sweep does the rest.
   * @throws QvacError E_CHAIN, E_ESCROW, E_FUNDS
   */
  async submitAndFollow(jobId: JobId): Promise<void> {
    const kept = this.#delivered.get(jobId);
    if (kept === undefined) return;
    const { escrow, end } = this.#components;
    const account = await escrow.job(kept.address);
    if (account === null) return this.conclude(jobId);
    await this.submit(account);
    const limit = anySignal(AbortSignal.timeout(followMs), end);
    const ended = await escrow
      .waitForJob(kept.address, (job) => job === null, { signal: limit })
      .then(
        () => true,
        () => false,
      );
    if (ended) await this.conclude(jobId);
  }

  /** Never submits a job twice. @throws as `submitAndFollow` */
  async submit(account: JobAccount): Promise<void> {
    const jobId = jobIdHex(account.jobId);
    const kept = this.#delivered.get(jobId);
    if (kept?.ack == null || account.submitted !== null || this.#submitting.has(jobId)) return;
    const { escrow, releaseStake, onNews } = this.#components;
    this.#submitting.add(jobId);
    try {
      await escrow.submitJob(account, { head: kept.head.body, ack: kept.ack });
      releaseStake(jobId);
    } finally {
      this.#submitting.delete(jobId);
    }
    // Null if the client has confirmed already.
    const submitted = (await escrow.job(kept.address))?.submitted ?? null;
    if (submitted !== null) onNews({ job: jobId, state: 'submitted', lamports: submitted.payout });
  }

  /**
   * The account of a delivered answer is closed: reports how, and forgets it. Keeps it if the chain may be late.
   * @throws QvacError E_CHAIN if the chain does not say now: the answer is kept until it does
   */
  async conclude(jobId: JobId): Promise<void> {
    const kept = this.#delivered.get(jobId);
    if (kept === undefined) return;
    const { escrow, releaseStake, onNews } = this.#components;
    releaseStake(jobId);
    const outcome = await escrow.jobOutcome(kept.address);
    // Whoever follows this answer and the sweep may both see its end: it is reported once.
    if (!this.#delivered.has(jobId)) return;
    if (outcome === null && !this.#isUnknownForLong(jobId)) return;
    await this.forget(jobId);
    onNews({ job: jobId, state: stateOf(outcome), lamports: outcome?.paid ?? 0n });
  }

  #isUnknownForLong(jobId: JobId): boolean {
    const now = (this.#components.now ?? monotonicMs)();
    const since = this.#unknownSince.get(jobId) ?? now;
    this.#unknownSince.set(jobId, since);
    return now - since >= unknownMs;
  }

  /** Concludes the delivered answers that are not among the `open` jobs. */
  async concludeOthers(open: readonly JobAccount[]): Promise<void> {
    const ids = new Set(open.map(({ jobId }) => jobIdHex(jobId)));
    for (const [jobId, { address }] of this.#delivered) {
      // It may have been created since.
      if (!ids.has(jobId) && (await this.#components.escrow.job(address)) === null) await this.conclude(jobId);
    }
  }
}

function stateOf(outcome: JobOutcome | null): PaymentNews['state'] {
  if (outcome === null) return 'gone';
  const { how, caller, provider } = outcome;
  if (how === 'confirmed') return 'paid';
  return how === 'refunded' && caller !== null && equalBytes(caller, provider) ? 'declined' : how;
}
