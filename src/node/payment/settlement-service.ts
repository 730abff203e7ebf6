import { messageOf } from '../../errors.ts';
import { type Escrow, escrowRules, type JobAccount, RefusedError } from '../../escrow/escrow.ts';
import { anySignal } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import type { Journal } from '../home/journal.ts';
import type { BrokenOff, CheckedAnswer, Settlement, WindowLeft } from './payments.ts';
import type { PendingPayment } from './pending-payment.ts';
import { settlementOf } from './settlement-json.ts';
import { conflictOf, slash } from './slash.ts';

export interface SettlementServiceComponents {
  readonly escrow: Escrow;
  readonly journal: Journal<PendingPayment>;
  /** What an earlier process kept of an answer, or null. */
  readonly receiptOf: (jobId: JobId) => Promise<Receipt | null>;
  /** Keeps with an answer how it was settled. Never rejects. */
  readonly keep: (jobId: JobId, settlement: Settlement) => Promise<void>;
  readonly logger: Logger;
}

export interface SettlementServiceInit {
  /** How long an answer waits for its head on the chain, in ms. */
  readonly submitMs: number;
  /** How long before the money is released a check has to end, in ms: a rejection takes its time, too. */
  readonly marginMs: number;
  /** Whether what passed is confirmed from here. */
  readonly confirms: boolean;
}

type Acted = Pick<Settlement, 'state' | 'paid' | 'refunded' | 'burnt' | 'compensation' | 'signature'>;

/**
 * How long after its note a lock may still come to the chain, in ms: another process may be at it, or its transaction
 * be under way.
 */
const lockMs = 300_000;

const nothing = { paid: 0n, refunded: 0n, burnt: 0n, compensation: 0n } as const;

/** Brings the money of one job to where it belongs, as its note says. */
export class SettlementService {
  readonly #escrow: Escrow;
  readonly #journal: Journal<PendingPayment>;
  readonly #receiptOf: SettlementServiceComponents['receiptOf'];
  readonly #keep: SettlementServiceComponents['keep'];
  readonly #logger: Logger;
  readonly #init: SettlementServiceInit;

  constructor({ escrow, journal, receiptOf, keep, logger }: SettlementServiceComponents, init: SettlementServiceInit) {
    this.#escrow = escrow;
    this.#journal = journal;
    this.#receiptOf = receiptOf;
    this.#keep = keep;
    this.#logger = logger;
    this.#init = init;
  }

  /** Never throws. A chain that does not answer leaves the whole window: the provider has just sent its final head. */
  async window(address: Uint8Array, options: AbortOptions): Promise<WindowLeft> {
    const { marginMs } = this.#init;
    const whole = { submitted: false, leftMs: Math.max(0, escrowRules.confirmWindowMs - marginMs) };
    try {
      const [job, now] = await Promise.all([this.#escrow.job(address, options), this.#escrow.now(options)]);
      // A provider may submit before it sends its final head.
      return job?.submitted == null
        ? whole
        : { submitted: true, leftMs: Math.max(0, job.submitted.claimAt - now - marginMs) };
    } catch (error) {
      if (options.signal?.aborted !== true)
        this.#logger.warn('the chain does not say how long a payment can be rejected', {
          reason: messageOf(error),
        });
      return whole;
    }
  }

  /** After the checks. Never throws: what cannot be settled now stays noted. */
  async settle(
    jobId: JobId,
    locked: PendingPayment,
    { receipt, assessment, verdictDigest }: CheckedAnswer,
    options: AbortOptions,
  ): Promise<Settlement> {
    const note: PendingPayment = {
      ...locked,
      intent: assessment.result === 'fail' ? 'reject' : 'confirm',
      head: receipt.heads[0] ?? null,
      conflict: conflictOf(receipt),
      verdictDigest,
    };
    try {
      await this.#journal.write(jobId, note);
      const limit = AbortSignal.timeout(this.#init.submitMs);
      const signal = anySignal(limit, options.signal);
      const job = await this.#escrow
        .waitForJob(note.address, (seen) => seen === null || seen.submitted !== null, { signal })
        .catch((error: unknown) => {
          if (limit.aborted) return this.#escrow.job(note.address);
          throw error;
        });
      if (job === null) return await this.#concluded(jobId, note, options);
      if (job.submitted === null) return this.waiting(note, job);
      return await this.#close(jobId, note, job, receipt, options);
    } catch (error) {
      this.#logger.warn('a payment is settled later', {
        job: jobId,
        reason: messageOf(error),
      });
      return this.waiting(note, null);
    }
  }

  /** There is no answer: waits for the provider to decline, or to submit what was never received. */
  async giveUp(
    jobId: JobId,
    locked: PendingPayment,
    { conflict, promptTokens }: BrokenOff,
    options: AbortOptions,
  ): Promise<Settlement> {
    const note: PendingPayment = { ...locked, intent: 'reject', conflict, promptCount: promptTokens.length };
    await this.#journal.write(jobId, note);
    const job = await this.#escrow.waitForJob(
      note.address,
      (seen) => seen === null || seen.submitted !== null,
      options,
    );
    return job === null ? this.#concluded(jobId, note, {}) : this.#close(jobId, note, job, null, {});
  }

  /** What can be done now about a note that was left. */
  async attend(jobId: JobId, note: PendingPayment, now: number, options: AbortOptions): Promise<Settlement> {
    const job = await this.#escrow.job(note.address, options);
    if (job === null) {
      const outcome = await this.#escrow.outcome(note.address, options);
      const mayCome = outcome === null && note.intent === 'wait' && Date.now() - note.at < lockMs;
      return mayCome ? this.waiting(note, null) : this.#ended(jobId, settlementOf(outcome, base(note)));
    }
    if (job.submitted === null) {
      if (now < job.refundAt) return this.waiting(note, job);
      return this.#act(jobId, note, async () => ({
        state: 'refunded',
        ...nothing,
        refunded: job.amount,
        ...(await this.#escrow.refundJob(job, options)),
      }));
    }
    const receipt = note.intent === 'confirm' ? null : await this.#receiptOf(jobId);
    const decided = note.intent === 'wait' && receipt !== null ? checkedNote(note, receipt) : note;
    if (decided.intent !== 'wait') return this.#close(jobId, decided, job, receipt, options);
    if (now < job.submitted.claimAt || !this.#init.confirms) return this.waiting(note, job);
    // Nobody objects any more, and what the answer did not cost comes back only when the account is closed.
    const { payout } = job.submitted;
    return this.#act(jobId, note, async () => ({
      state: 'claimed',
      ...nothing,
      paid: payout,
      refunded: job.amount - payout,
      ...(await this.#escrow.claimJob(job, options)),
    }));
  }

  /** Where the money of an open or submitted job is. */
  waiting(note: PendingPayment, job: JobAccount | null): Settlement {
    const submitted = job?.submitted ?? null;
    return {
      ...base(note),
      ...nothing,
      state: submitted === null ? 'open' : 'submitted',
      signature: null,
      dueAt: submitted?.claimAt ?? job?.refundAt ?? null,
    };
  }

  /** Of a submitted job: confirms or rejects as the note says, or slashes where the chain can be shown why. */
  async #close(
    jobId: JobId,
    note: PendingPayment,
    job: JobAccount,
    receipt: Receipt | null,
    options: AbortOptions,
  ): Promise<Settlement> {
    const { submitted } = job;
    if (submitted === null) return this.waiting(note, job);
    const { head, conflict } = note;
    const proof = await slash(
      this.#escrow,
      job,
      { head, conflict, receipt: note.intent === 'reject' ? receipt : null },
      options,
    );
    if (proof !== null)
      return this.#act(jobId, note, async () => ({
        state: 'slashed',
        ...nothing,
        refunded: job.amount,
        compensation: job.amount,
        ...proof,
      }));
    const split = { payout: submitted.payout, refunded: job.amount - submitted.payout };
    // What has no token was not worth more than the prompt's price, and that was served, as far as it was accepted.
    const unread = head === null && (submitted.tokenCount > 0 || submitted.promptCount > note.promptCount);
    const good = note.intent === 'confirm' || (head === null && conflict === null && !unread);
    if (good && !this.#init.confirms) {
      // The provider sees to it itself.
      await this.#journal.remove(jobId);
      return { ...this.waiting(note, job), paid: split.payout, refunded: split.refunded };
    }
    if (good)
      return this.#act(jobId, note, async () => ({
        state: 'confirmed',
        ...nothing,
        paid: split.payout,
        refunded: split.refunded,
        ...(await this.#escrow.confirmJob(job, options)),
      }));
    try {
      return await this.#act(jobId, note, async () => ({
        state: 'rejected',
        ...nothing,
        burnt: split.payout,
        refunded: split.refunded,
        ...(await this.#escrow.rejectJob(job, note.verdictDigest, options)),
      }));
    } catch (error) {
      // Too late: the provider will be paid.
      if (error instanceof RefusedError && error.refusal === 'ConfirmWindowClosed') return this.waiting(note, job);
      throw error;
    }
  }

  /** Settled by what `run` sends; where somebody else was quicker, as the chain says. */
  async #act(jobId: JobId, note: PendingPayment, run: () => Promise<Acted>): Promise<Settlement> {
    try {
      const { state, paid, refunded, burnt, compensation, signature } = await run();
      return await this.#ended(jobId, {
        ...base(note),
        state,
        paid,
        refunded,
        burnt,
        compensation,
        signature,
        dueAt: null,
      });
    } catch (error) {
      if (error instanceof RefusedError && error.refusal === 'NoAccount') return this.#concluded(jobId, note, {});
      throw error;
    }
  }

  async #concluded(jobId: JobId, note: PendingPayment, options: AbortOptions): Promise<Settlement> {
    const outcome = await this.#escrow.outcome(note.address, options);
    return this.#ended(jobId, settlementOf(outcome, base(note)));
  }

  /** The note goes last: whoever dies before that looks again. */
  async #ended(jobId: JobId, settlement: Settlement): Promise<Settlement> {
    await this.#keep(jobId, settlement);
    await this.#journal.remove(jobId);
    return settlement;
  }
}

/**
 * What the verdict of a receipt means, where the process that signed it did not come to note it; `locked` itself
 * without one.
 */
function checkedNote(locked: PendingPayment, receipt: Receipt): PendingPayment {
  // Those of auditors come before it.
  const verdict = receipt.verdicts.at(-1);
  if (verdict === undefined) return locked;
  const intent = decodeVerdict(verdict.body).result === 'fail' ? 'reject' : 'confirm';
  return {
    ...locked,
    intent,
    head: receipt.heads[0] ?? null,
    conflict: conflictOf(receipt),
    verdictDigest: sha256(verdict.body),
  };
}

function base({ chain, address, amount }: PendingPayment): Pick<Settlement, 'chain' | 'account' | 'locked'> {
  return { chain, account: address, locked: amount };
}
