import type { Escrow, JobAccount, JobOutcome } from '../../../escrow/escrow.ts';
import { deliveryOf, payoutOf } from '../../../escrow/terms.ts';
import { anySignal } from '../../../lib/abort.ts';
import type { JobId } from '../../../lib/types.ts';
import { jobIdHex } from '../../../protocol/digests.ts';
import type { Finish, Head, Signed } from '../../../protocol/messages.ts';
import { payableTokens } from '../../../protocol/price.ts';
import { decodeCancel } from '../../../protocol/validate.ts';
import type { Journal } from '../../home/journal.ts';
import type { DeliveredJob } from './delivered-job.ts';
import type { PaymentNews } from './payouts.ts';

export interface DeliveriesParts {
  readonly escrow: Escrow;
  readonly journal: Journal<DeliveredJob>;
  readonly onNews: (news: PaymentNews) => void;
  /** Called when the job's stake need no longer be counted here: the program counts it, or the job is over. */
  readonly releaseStake: (jobId: JobId) => void;
  /** Ends all waiting. */
  readonly end: AbortSignal;
}

/** How long a submitted job is polled, in ms: most clients confirm within seconds. The sweep finds the others. */
const followMs = 60_000;

/**
 * Submits delivered answers, including those of earlier processes, and follows each until its account is closed.
 */
export class Deliveries {
  readonly #parts: DeliveriesParts;
  #delivered = new Map<JobId, DeliveredJob>();
  readonly #submitting = new Set<JobId>();

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
  }

  /** Loads the deliveries of earlier processes. */
  async recall(): Promise<void> {
    this.#delivered = new Map(await this.#parts.journal.read());
  }

  has(jobId: JobId): boolean {
    return this.#delivered.has(jobId);
  }

  /** Concludes the served job if the chain has another one under its id, which then has another number. */
  async concludeReplaced({ jobId: id, number }: JobAccount): Promise<void> {
    const jobId = jobIdHex(id);
    const delivered = this.#delivered.get(jobId);
    if (delivered !== undefined && delivered.number !== number) await this.conclude(jobId);
  }

  /** On disk when it resolves. @throws QvacError E_HOME */
  async add(account: JobAccount, final: Head, cancel: Signed | null): Promise<void> {
    const jobId = jobIdHex(account.jobId);
    const delivery = deliveryOf(final, cancel === null ? null : { body: decodeCancel(cancel.body), signed: cancel });
    const delivered = { address: account.address, client: account.client, number: account.number, delivery };
    await this.#parts.journal.write(jobId, delivered);
    this.#delivered.set(jobId, delivered);
  }

  /**
   * Submits the delivery, and follows the job for a while; the sweep does the rest.
   * @throws QvacError E_CHAIN, E_ESCROW, E_FUNDS
   */
  async submitAndFollow(jobId: JobId): Promise<void> {
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined) return;
    const { escrow, end } = this.#parts;
    const account = await escrow.job(delivered.address);
    if (account?.number !== delivered.number) return this.conclude(jobId);
    await this.submit(account);
    const limit = anySignal(AbortSignal.timeout(followMs), end);
    const closed = await escrow
      .waitForJob(delivered.address, (job) => job === null, { signal: limit })
      .then(
        () => true,
        () => false,
      );
    if (closed) await this.conclude(jobId);
  }

  /** Submits the delivery, unless that was done. @throws as `submitAndFollow` */
  async submit(account: JobAccount): Promise<void> {
    const jobId = jobIdHex(account.jobId);
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined || account.submitted !== null || this.#submitting.has(jobId)) return;
    const { escrow, releaseStake, onNews } = this.#parts;
    this.#submitting.add(jobId);
    try {
      await escrow.submitJob(account, delivered.delivery);
      releaseStake(jobId);
    } finally {
      this.#submitting.delete(jobId);
    }
    // From the delivery itself: if the client has confirmed by now, the account is closed.
    const { promptCount, tokenCount, finish, cancel } = delivered.delivery;
    const paidCount = payableTokens({ n: tokenCount, finish: finish as Finish, cancelN: cancel?.n ?? null });
    onNews({ job: jobId, state: 'submitted', lamports: payoutOf(account, { promptCount, paidCount }) });
  }

  /** The job's account is closed: reports its outcome, and removes it from the journal. */
  async conclude(jobId: JobId): Promise<void> {
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined) return;
    this.#delivered.delete(jobId);
    const { escrow, journal, releaseStake, onNews } = this.#parts;
    releaseStake(jobId);
    const outcome = await escrow.outcome(delivered.address).catch(() => null);
    await journal.remove(jobId);
    onNews({ job: jobId, state: stateOf(outcome), lamports: outcome?.paid ?? 0n });
  }

  /** Concludes the deliveries whose jobs are not among the `open` ones. */
  async concludeOthers(open: readonly JobAccount[]): Promise<void> {
    const ids = new Set(open.map(({ jobId }) => jobIdHex(jobId)));
    for (const [jobId, { address }] of this.#delivered) {
      // Asked again, since the job may have been created after `open` was read.
      if (!ids.has(jobId) && (await this.#parts.escrow.job(address)) === null) await this.conclude(jobId);
    }
  }
}

function stateOf(outcome: JobOutcome | null): PaymentNews['state'] {
  switch (outcome?.how) {
    case undefined:
      return 'gone';
    case 'confirmed':
    case 'claimed':
      return 'paid';
    default:
      return outcome?.how ?? 'gone';
  }
}
