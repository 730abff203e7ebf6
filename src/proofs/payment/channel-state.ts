import { larger } from '../../lib/bigints.ts';
import type { JobId } from '../../lib/types.ts';
import { channelReleaseS } from '../../protocol/constants.ts';
import type { Result } from '../../protocol/messages.ts';
import { type Prices, priceJob } from '../../protocol/price.ts';

/** The two totals of a channel in lamports (section 9): both only grow. */
export interface ChannelTotals {
  readonly committedLamports: bigint;
  readonly releasedLamports: bigint;
}

export interface ChannelJobInit {
  readonly prices: Prices;
  readonly promptCount: number;
  readonly isScore: boolean;
  /** The offer's amount. */
  readonly amountLamports: bigint;
}

export interface ChannelStateInit {
  readonly depositLamports: bigint;
  readonly windowLamports: bigint;
  /** The largest totals so far, as an earlier process kept them. @default zero */
  readonly totals?: ChannelTotals;
}

/**
 * One channel as its provider keeps it (section 9): which jobs and totals it takes. Streams have no common order, so
 * the largest totals of all of them count. Times are seconds of one clock that never goes back.
 */
export interface ChannelState {
  /** The largest totals of all streams. */
  readonly totals: ChannelTotals;
  /** The amounts of the jobs under way. */
  readonly underWayLamports: bigint;
  /** A job is under way, or waits for its last acknowledgement. */
  readonly isBusy: boolean;
  /** The chain has a larger deposit: it was topped up. */
  topUp(depositLamports: bigint): void;
  /** Why no further job is taken at `nowS`; null if one is. */
  jobRefusal(nowS: number): string | null;
  /** A further job begins. */
  addJob(jobId: JobId, job: ChannelJobInit): void;
  /** Why an acknowledgement of a job cannot be taken; null if it can. The stream's own rules are those of AckState. */
  refusalOf(jobId: JobId, ack: ChannelTotals & { readonly n: number }): string | null;
  /** The same for totals that come outside the stream of a job: they release jobs whose stream is gone. */
  totalsRefusal(totals: ChannelTotals): string | null;
  takeTotals(totals: ChannelTotals): void;
  /** Takes an acknowledgement that is not refused; the totals are kept before the provider goes on. */
  take(jobId: JobId, ack: ChannelTotals & { readonly n: number; readonly isStop: boolean }): void;
  /** A job has ended: its final head over `n` tokens was made, or it has none and `n` is 0. Every job ends. */
  end(jobId: JobId, n: number, atS: number): void;
  verdict(jobId: JobId, result: Result): void;
  /** A job's stream is gone: no acknowledgement of its own will come. */
  leave(jobId: JobId): void;
}

interface ChannelJob extends ChannelJobInit {
  /** The last acknowledged count; null if nothing was acknowledged. */
  ackedTokens: number | null;
  /** The totals on the job's own stream. */
  totals: ChannelTotals;
  isStopped: boolean;
  /** Tokens under the final head. */
  n: number | null;
  endedAtS: number;
  isGone: boolean;
  result: Result | null;
  isReleased: boolean;
}

const zero: ChannelTotals = { committedLamports: 0n, releasedLamports: 0n };

export function createChannelState(init: ChannelStateInit): ChannelState {
  return new ProviderChannel(init);
}

class ProviderChannel implements ChannelState {
  #depositLamports: bigint;
  readonly #windowLamports: bigint;
  readonly #jobs = new Map<JobId, ChannelJob>();
  #totals: ChannelTotals;
  /** What earlier jobs, which are forgotten, were committed for and released. */
  #doneLamports: bigint;
  #attributedLamports: bigint;

  constructor({ depositLamports, windowLamports, totals = zero }: ChannelStateInit) {
    this.#depositLamports = depositLamports;
    this.#windowLamports = windowLamports;
    this.#totals = totals;
    this.#doneLamports = totals.committedLamports;
    this.#attributedLamports = totals.releasedLamports;
  }

  get totals(): ChannelTotals {
    return this.#totals;
  }

  topUp(depositLamports: bigint): void {
    this.#depositLamports = larger(depositLamports, this.#depositLamports);
  }

  get underWayLamports(): bigint {
    let sum = 0n;
    for (const job of this.#jobs.values()) if (job.n === null) sum += job.amountLamports;
    return sum;
  }

  get isBusy(): boolean {
    for (const job of this.#jobs.values()) if (job.n === null || isWaiting(job)) return true;
    return false;
  }

  jobRefusal(nowS: number): string | null {
    const { committedLamports, releasedLamports } = this.#totals;
    for (const [jobId, job] of this.#jobs) {
      if (job.n === null) continue;
      if (isWaiting(job)) return `job ${jobId} waits for its last acknowledgement`;
      if (isOwed(job) && nowS - job.endedAtS > channelReleaseS)
        return `job ${jobId} ended more than ${channelReleaseS} s ago and is neither released nor failed`;
    }
    if (committedLamports - releasedLamports + this.underWayLamports > this.#windowLamports)
      return 'more is committed and not released, or under way, than the window';
    return null;
  }

  addJob(jobId: JobId, job: ChannelJobInit): void {
    this.#jobs.set(jobId, {
      ...job,
      ackedTokens: null,
      totals: zero,
      isStopped: false,
      n: null,
      endedAtS: 0,
      isGone: false,
      result: null,
      isReleased: false,
    });
  }

  refusalOf(jobId: JobId, ack: ChannelTotals & { readonly n: number }): string | null {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return 'of a job that is not of this channel';
    if (ack.committedLamports < job.totals.committedLamports || ack.releasedLamports < job.totals.releasedLamports)
      return 'the totals fall on one stream';
    return this.#sumRefusal(ack, this.#sumLamports(job, ack.n));
  }

  totalsRefusal(totals: ChannelTotals): string | null {
    return this.#sumRefusal(totals, this.#sumLamports(null, 0));
  }

  #sumRefusal({ committedLamports, releasedLamports }: ChannelTotals, sum: bigint): string | null {
    if (releasedLamports > committedLamports) return 'more released than committed';
    if (committedLamports > this.#depositLamports) return 'more committed than deposited';
    if (larger(committedLamports, this.#totals.committedLamports) < sum) return `committed is below the sum ${sum}`;
    return null;
  }

  take(jobId: JobId, ack: ChannelTotals & { readonly n: number; readonly isStop: boolean }): void {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    const { committedLamports, releasedLamports } = ack;
    job.totals = { committedLamports, releasedLamports };
    job.ackedTokens = ack.n;
    job.isStopped ||= ack.isStop;
    this.#raise(ack);
    this.#attribute(job);
  }

  takeTotals(totals: ChannelTotals): void {
    this.#raise(totals);
    this.#attribute(null);
  }

  #raise({ committedLamports, releasedLamports }: ChannelTotals): void {
    this.#totals = {
      committedLamports: larger(committedLamports, this.#totals.committedLamports),
      releasedLamports: larger(releasedLamports, this.#totals.releasedLamports),
    };
  }

  end(jobId: JobId, n: number, atS: number): void {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    job.n = n;
    job.endedAtS = atS;
    this.#forget();
  }

  verdict(jobId: JobId, result: Result): void {
    const job = this.#jobs.get(jobId);
    if (job !== undefined) job.result = result;
    this.#forget();
  }

  leave(jobId: JobId): void {
    const job = this.#jobs.get(jobId);
    if (job !== undefined) job.isGone = true;
    this.#forget();
  }

  /** The sum of the prices of all jobs for what was acknowledged, with `n` for one of them if it is not null. */
  #sumLamports(changed: ChannelJob | null, n: number): bigint {
    let sum = this.#doneLamports;
    for (const job of this.#jobs.values()) sum += priceAt(job, job === changed ? n : job.ackedTokens);
    return sum;
  }

  /**
   * Finds which jobs what is released so far pays for: the one whose acknowledgement it came with, if any, then those
   * whose stream is gone, the first to end first.
   */
  #attribute(own: ChannelJob | null): void {
    const gone = [...this.#jobs.values()].filter(({ isGone }) => isGone).sort((a, b) => a.endedAtS - b.endedAtS);
    for (const job of own === null || own.isGone ? gone : [own, ...gone]) {
      const price = priceAt(job, job.ackedTokens);
      const isOpen = job.n !== null && !job.isReleased && price > 0n;
      if (!isOpen || this.#attributedLamports + price > this.#totals.releasedLamports) continue;
      job.isReleased = true;
      this.#attributedLamports += price;
    }
    this.#forget();
  }

  /** Keeps of the ended jobs whose stream is gone only those that are still owed something; a channel may have many. */
  #forget(): void {
    for (const [jobId, job] of this.#jobs) {
      if (!job.isGone || job.n === null || isOwed(job)) continue;
      this.#doneLamports += priceAt(job, job.ackedTokens);
      this.#jobs.delete(jobId);
    }
  }
}

/** In a channel nothing is paid beyond what was acknowledged. */
function priceAt({ promptCount, isScore, prices }: ChannelJob, ackedTokens: number | null): bigint {
  return priceJob({ promptCount, n: ackedTokens ?? 0, ackedTokens, graceTokens: 0, isScore }, prices);
}

/** Ended, and the last acknowledgement may still come. */
function isWaiting({ n, ackedTokens, isStopped, isGone }: ChannelJob): boolean {
  return n !== null && !isGone && !isStopped && (ackedTokens ?? -1) < n;
}

/** Ended with something committed that is to be released. */
function isOwed(job: ChannelJob): boolean {
  return !job.isReleased && job.result !== 'fail' && priceAt(job, job.ackedTokens) > 0n;
}

/** How a channel ends (section 9 and the escrow). */
export type ChannelEnding = 'no objection' | 'silence' | 'rejected';

export interface ChannelPayouts {
  readonly providerLamports: bigint;
  readonly payerLamports: bigint;
  readonly burntLamports: bigint;
}

/**
 * How a deposit is divided in the end. What the client committed and did not release goes to the provider if the client
 * falls silent, and is burnt if it rejects.
 */
export function channelPayouts(
  depositLamports: bigint,
  { committedLamports, releasedLamports }: ChannelTotals,
  ending: ChannelEnding,
): ChannelPayouts {
  const providerLamports = ending === 'silence' ? committedLamports : releasedLamports;
  const burntLamports = ending === 'rejected' ? committedLamports - releasedLamports : 0n;
  return { providerLamports, burntLamports, payerLamports: depositLamports - providerLamports - burntLamports };
}
