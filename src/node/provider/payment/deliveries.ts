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
  readonly tell: (news: PaymentNews) => void;
  /** From now on the program itself counts the job's stake as locked, or it is over. */
  readonly settled: (jobId: JobId) => void;
  /** Ends all waiting. */
  readonly end: AbortSignal;
}

/** How long the end of a submitted job is looked for often, ms: most clients confirm within seconds. */
const followMs = 60_000;

/**
 * Answers that were delivered and are not settled, also those of earlier processes: each is submitted, and followed to
 * its end.
 */
export class Deliveries {
  readonly #parts: DeliveriesParts;
  #delivered = new Map<JobId, DeliveredJob>();
  readonly #submitting = new Set<JobId>();

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
  }

  /** Takes up what earlier processes left. */
  async recall(): Promise<void> {
    this.#delivered = new Map(await this.#parts.journal.read());
  }

  has(jobId: JobId): boolean {
    return this.#delivered.has(jobId);
  }

  /** The job that was served is settled where another one stands under its id: that one has another number. */
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
   * Submits, and looks for the end for a while; later looks do what is left. @throws QvacError E_CHAIN, E_ESCROW,
   * E_FUNDS
   */
  async settle(jobId: JobId): Promise<void> {
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined) return;
    const { escrow, end } = this.#parts;
    const account = await escrow.job(delivered.address);
    if (account?.number !== delivered.number) return this.conclude(jobId);
    await this.submit(account);
    const limit = anySignal(AbortSignal.timeout(followMs), end);
    const settled = await escrow
      .waitForJob(delivered.address, (job) => job === null, { signal: limit })
      .then(
        () => true,
        () => false,
      );
    if (settled) await this.conclude(jobId);
  }

  /** @throws as `settle` */
  async submit(account: JobAccount): Promise<void> {
    const jobId = jobIdHex(account.jobId);
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined || account.submitted !== null || this.#submitting.has(jobId)) return;
    const { escrow, settled, tell } = this.#parts;
    this.#submitting.add(jobId);
    try {
      await escrow.submitJob(account, delivered.delivery);
      settled(jobId);
    } finally {
      this.#submitting.delete(jobId);
    }
    // From what was submitted: the client may have confirmed already, and then there is no account any more.
    const { promptCount, tokenCount, finish, cancel } = delivered.delivery;
    const paidCount = payableTokens({ n: tokenCount, finish: finish as Finish, cancelN: cancel?.n ?? null });
    tell({ job: jobId, state: 'submitted', lamports: payoutOf(account, { promptCount, paidCount }) });
  }

  /** Its account is closed: says how, and forgets it. */
  async conclude(jobId: JobId): Promise<void> {
    const delivered = this.#delivered.get(jobId);
    if (delivered === undefined) return;
    this.#delivered.delete(jobId);
    const { escrow, journal, settled, tell } = this.#parts;
    settled(jobId);
    const outcome = await escrow.outcome(delivered.address).catch(() => null);
    await journal.remove(jobId);
    tell({ job: jobId, state: stateOf(outcome), lamports: outcome?.paid ?? 0n });
  }

  /** Concludes those that are not among the jobs that are `open`. */
  async concludeOthers(open: readonly JobAccount[]): Promise<void> {
    const ids = new Set(open.map(({ jobId }) => jobIdHex(jobId)));
    for (const [jobId, { address }] of this.#delivered) {
      // It may have been created since.
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
