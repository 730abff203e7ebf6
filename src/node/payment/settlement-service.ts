import { messageOf, QvacError } from '../../errors.ts';
import type { JobAccount } from '../../escrow/accounts.ts';
import { escrowRules } from '../../escrow/constants.ts';
import type { Escrow, Executed } from '../../escrow/escrow.ts';
import { RefusedError } from '../../escrow/refusal.ts';
import { anySignal } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import type { Journal } from '../home/journal.ts';
import { type ChallengeConsent, challengeCost, isSilent, pursueChallenge } from './chain-challenge.ts';
import { conflictOf, slash } from './dispute.ts';
import { settlementOf } from './outcome.ts';
import type { BrokenOff, CheckedAnswer, Settlement, WindowLeft } from './payments.ts';
import type { PendingPayment } from './pending-payment.ts';

export interface SettlementServiceComponents {
  readonly escrow: Escrow;
  readonly journal: Journal<PendingPayment>;
  /** The receipt that an earlier process kept of an answer, or null. */
  readonly receiptOf: (jobId: JobId) => Promise<Receipt | null>;
  /** Adds the settlement to the receipt of an answer. Never rejects. */
  readonly keep: (jobId: JobId, settlement: Settlement) => Promise<void>;
  /** Whether a provider that opens nothing is challenged on the chain, for a bond. */
  readonly mayChallenge: ChallengeConsent;
  readonly logger: Logger;
}

export interface SettlementServiceInit {
  /** How long to wait until the provider has submitted the final head, in ms. */
  readonly submitMs: number;
  /** How long before the rejection window closes a check must end, in ms: a rejection takes time, too. */
  readonly marginMs: number;
  /** Whether this client confirms passed answers. */
  readonly confirms: boolean;
}

/** Where a transaction sends the money. */
type Split = Partial<Pick<Settlement, 'paid' | 'refunded' | 'burnt' | 'compensation'>> & Pick<Settlement, 'state'>;

/**
 * How long after it was written down a payment may still appear on the chain, in ms: another process may be locking it,
 * its transaction may be in flight, or the node that is asked may be late.
 */
const lockMs = 300_000;

const nothing = { paid: 0n, refunded: 0n, burnt: 0n, compensation: 0n } as const;

/** Settles payments as their journal entries say: confirms, rejects, slashes, refunds or claims. */
export class SettlementService {
  readonly #escrow: Escrow;
  readonly #journal: Journal<PendingPayment>;
  readonly #receiptOf: SettlementServiceComponents['receiptOf'];
  readonly #keep: SettlementServiceComponents['keep'];
  readonly #mayChallenge: ChallengeConsent;
  readonly #logger: Logger;
  readonly #init: SettlementServiceInit;

  constructor(components: SettlementServiceComponents, init: SettlementServiceInit) {
    const { escrow, journal, receiptOf, keep, mayChallenge, logger } = components;
    this.#escrow = escrow;
    this.#journal = journal;
    this.#receiptOf = receiptOf;
    this.#keep = keep;
    this.#mayChallenge = mayChallenge;
    this.#logger = logger;
    this.#init = init;
  }

  /**
   * How long the answer can still be rejected. Never throws: without the chain it assumes the whole window, since the
   * provider has just sent its final head.
   */
  async window(address: Uint8Array, options: AbortOptions): Promise<WindowLeft> {
    const { marginMs } = this.#init;
    const whole = { submitted: false, leftMs: Math.max(0, escrowRules.minCheckWindowMs - marginMs) };
    try {
      const [job, now] = await Promise.all([this.#escrow.job(address, options), this.#escrow.now(options)]);
      // Null in most cases, but a provider may submit before it sends its final head.
      return job?.submitted == null
        ? whole
        : { submitted: true, leftMs: Math.max(0, job.submitted.releaseAt - now - marginMs) };
    } catch (error) {
      if (options.signal?.aborted !== true)
        this.#logger.warn('the rejection window of a payment could not be read from the chain', {
          reason: messageOf(error),
        });
      return whole;
    }
  }

  /** Pays or rejects after the checks. Never throws: a payment that cannot be settled now stays in the journal. */
  async settle(
    jobId: JobId,
    waiting: PendingPayment,
    { receipt, assessment, verdictDigest }: CheckedAnswer,
    options: AbortOptions,
  ): Promise<Settlement> {
    const pending: PendingPayment = {
      ...waiting,
      intent: assessment.result === 'fail' ? await this.#objectionTo(receipt, assessment, options) : 'confirm',
      head: receipt.heads[0] ?? null,
      conflict: conflictOf(receipt),
      verdictDigest,
    };
    try {
      await this.#journal.write(jobId, pending);
      const limit = AbortSignal.timeout(this.#init.submitMs);
      const signal = anySignal(limit, options.signal);
      const job = await this.#escrow
        .waitForJob(pending.address, (seen) => seen === null || seen.submitted !== null, { signal })
        .catch((error: unknown) => {
          if (limit.aborted) return this.#escrow.job(pending.address);
          throw error;
        });
      if (job === null) return await this.#readOutcome(jobId, pending, options);
      if (job.submitted === null) return this.unsettled(pending, job);
      return await this.#close(jobId, pending, job, receipt, options);
    } catch (error) {
      this.#logger.warn('a payment is not settled yet', {
        job: jobId,
        reason: messageOf(error),
      });
      return this.unsettled(pending, null);
    }
  }

  /** An answer that was not opened is challenged on the chain, if the person who pays agrees to the bond. */
  async #objectionTo(
    receipt: Receipt,
    assessment: CheckedAnswer['assessment'],
    options: AbortOptions,
  ): Promise<'reject' | 'challenge'> {
    if (!isSilent(receipt, assessment)) return 'reject';
    return (await this.#mayChallenge(challengeCost(receipt.tokens.length), options)) ? 'challenge' : 'reject';
  }

  /**
   * The answer broke off: waits for the provider to decline, or to submit what was acknowledged, which is paid unless
   * it contradicts what arrived.
   */
  async abandon(
    jobId: JobId,
    waiting: PendingPayment,
    { head, conflict, promptCount }: BrokenOff,
    options: AbortOptions,
  ): Promise<Settlement> {
    const pending: PendingPayment = { ...waiting, intent: 'confirm', head, conflict, promptCount };
    await this.#journal.write(jobId, pending);
    const job = await this.#escrow.waitForJob(
      pending.address,
      (seen) => seen === null || seen.submitted !== null,
      options,
    );
    return job === null ? this.#readOutcome(jobId, pending, {}) : this.#close(jobId, pending, job, null, {});
  }

  /** Settles a payment that an earlier process left, as far as possible now. */
  async resume(jobId: JobId, pending: PendingPayment, now: number, options: AbortOptions): Promise<Settlement> {
    const job = await this.#escrow.job(pending.address, options);
    if (job === null) return this.#readOutcome(jobId, pending, options, now);
    if (job.submitted === null) {
      if (now < job.refundAt) return this.unsettled(pending, job);
      const split: Split = { state: 'refunded', refunded: job.amount };
      return this.#act(jobId, pending, split, () => this.#escrow.refundJob(job, options));
    }
    const receipt = pending.intent === 'confirm' ? null : await this.#receiptOf(jobId);
    const decided = pending.intent === 'wait' && receipt !== null ? decidedBy(receipt, pending) : pending;
    const isOver = now >= job.submitted.releaseAt;
    if (decided.intent !== 'wait' && !(isOver && decided.intent === 'reject'))
      return this.#close(jobId, decided, job, receipt, options);
    if (!isOver || !this.#init.confirms) return this.unsettled(pending, job);
    // The window for objections has closed, and the client's change returns only when the account is closed.
    return this.#confirm(jobId, pending, job, 'claimed', options);
  }

  /** The state of a payment whose job is open or submitted. */
  unsettled(pending: PendingPayment, job: JobAccount | null): Settlement {
    const submitted = job?.submitted ?? null;
    // Once it is over, too: what it led to is settled next.
    const challenge = submitted?.challenge ?? null;
    const isWaiting = challenge !== null && challenge.open.length > 0;
    return {
      ...base(pending),
      ...nothing,
      state: submitted === null ? 'open' : challenge === null ? 'submitted' : 'challenged',
      signature: null,
      dueAt: (isWaiting ? challenge.dueAt : submitted?.releaseAt) ?? job?.refundAt ?? null,
    };
  }

  /** Closes a submitted job: slashes if the program can verify the evidence, else confirms or rejects as intended. */
  async #close(
    jobId: JobId,
    pending: PendingPayment,
    job: JobAccount,
    receipt: Receipt | null,
    options: AbortOptions,
  ): Promise<Settlement> {
    const { submitted } = job;
    if (submitted === null) return this.unsettled(pending, job);
    const { head, conflict, intent } = pending;
    const evidence = { head, conflict, receipt: intent === 'reject' ? receipt : null };
    const slashed = await slash(this.#escrow, { job }, evidence, options);
    if (slashed !== null) {
      const split: Split = { state: 'slashed', refunded: job.amount, compensation: submitted.payout };
      return this.#act(jobId, pending, split, async () => slashed);
    }
    const isOvercharged = pending.promptCount !== null && submitted.promptCount > pending.promptCount;
    if (intent === 'confirm' && conflict === null && !isOvercharged) {
      if (this.#init.confirms) return this.#confirm(jobId, pending, job, 'confirmed', options);
      // The provider has the payment released itself.
      await this.#journal.remove(jobId);
      const { payout } = submitted;
      return { ...this.unsettled(pending, job), paid: payout, refunded: job.amount - payout };
    }
    if (intent === 'challenge') return this.#pursue(jobId, pending, job, options);
    const { payout } = submitted;
    const split: Split = { state: 'rejected', burnt: payout, refunded: job.amount - payout };
    try {
      return await this.#act(jobId, pending, split, () => this.#escrow.rejectJob(job, pending.verdictDigest, options));
    } catch (error) {
      // Too late: the provider will be paid, and the change comes back with its payment.
      if (error instanceof RefusedError && error.refusal === 'CheckWindowClosed') return this.unsettled(pending, job);
      throw error;
    }
  }

  /** Challenges the provider on the chain, and goes on with what comes of it: slashed if silent, else paid. */
  async #pursue(jobId: JobId, pending: PendingPayment, job: JobAccount, options: AbortOptions): Promise<Settlement> {
    const { submitted } = job;
    if (submitted === null) return this.unsettled(pending, job);
    try {
      const pursuit = await pursueChallenge(this.#escrow, { job }, submitted, options);
      if (pursuit.kind === 'answered') return this.#confirm(jobId, pending, job, 'confirmed', options);
      if (pursuit.kind === 'slashed') {
        const split: Split = { state: 'slashed', refunded: job.amount, compensation: submitted.payout };
        return await this.#act(jobId, pending, split, async () => pursuit.executed);
      }
      const challenged = pursuit.kind === 'made' ? { ...pending, fees: pending.fees + pursuit.executed.fee } : pending;
      if (pursuit.kind === 'made') await this.#journal.write(jobId, challenged);
      return this.unsettled(challenged, await this.#escrow.job(pending.address, options));
    } catch (error) {
      const isImpossible = error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS');
      if (!isImpossible || submitted.challenge !== null) throw error;
      this.#logger.warn('an answer could not be challenged on the chain', { job: jobId, reason: error.message });
      return this.#close(jobId, { ...pending, intent: 'reject' }, job, null, options);
    }
  }

  #confirm(
    jobId: JobId,
    pending: PendingPayment,
    job: JobAccount,
    state: 'confirmed' | 'claimed',
    options: AbortOptions,
  ): Promise<Settlement> {
    const paid = job.submitted?.payout ?? 0n;
    const split: Split = { state, paid, refunded: job.amount - paid };
    return this.#act(jobId, pending, split, () => this.#escrow.confirmJob(job, options));
  }

  /** Settles with the transaction that `run` sends; if the account is already closed, reads the outcome instead. */
  async #act(jobId: JobId, pending: PendingPayment, split: Split, run: () => Promise<Executed>): Promise<Settlement> {
    try {
      const { signature, fee } = await run();
      const fees = pending.fees + fee;
      return await this.#finish(jobId, { ...base(pending), ...nothing, ...split, fees, signature, dueAt: null });
    } catch (error) {
      if (error instanceof RefusedError && error.refusal === 'NoAccount') return this.#readOutcome(jobId, pending, {});
      throw error;
    }
  }

  /** @param now of the chain, read before its account was looked for; default: asks for it */
  async #readOutcome(jobId: JobId, pending: PendingPayment, options: AbortOptions, now?: number): Promise<Settlement> {
    const outcome = await this.#escrow.jobOutcome(pending.address, options);
    if (outcome === null) {
      // For a late node everything is more recent.
      const earlier = Math.min(Date.now(), now ?? (await this.#escrow.now(options)));
      if (earlier - pending.at < lockMs) return this.unsettled(pending, null);
    }
    return this.#finish(jobId, settlementOf(outcome, base(pending)));
  }

  /** Removes the journal entry last: after a crash in between, the next process repeats this. */
  async #finish(jobId: JobId, settlement: Settlement): Promise<Settlement> {
    await this.#keep(jobId, settlement);
    await this.#journal.remove(jobId);
    return settlement;
  }
}

/**
 * The intent that follows from the verdict of a receipt, for a process that signed the verdict and ended before it
 * wrote the intent down; unchanged without a verdict.
 */
function decidedBy(receipt: Receipt, waiting: PendingPayment): PendingPayment {
  // The client's own verdict comes last, after those of auditors.
  const verdict = receipt.verdicts.at(-1);
  if (verdict === undefined) return waiting;
  const intent = decodeVerdict(verdict.body).result === 'fail' ? 'reject' : 'confirm';
  return {
    ...waiting,
    intent,
    head: receipt.heads[0] ?? null,
    conflict: conflictOf(receipt),
    verdictDigest: sha256(verdict.body),
  };
}

function base({
  chain,
  address,
  amount,
  fees,
}: PendingPayment): Pick<Settlement, 'chain' | 'account' | 'locked' | 'fees' | 'channel'> {
  return { chain, account: address, locked: amount, fees, channel: null };
}
