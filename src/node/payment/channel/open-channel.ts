import { QvacError } from '../../../errors.ts';
import { createSharedSave } from '../../../lib/shared-save.ts';
import type { ChannelId, JobId, PeerIdString } from '../../../lib/types.ts';
import type { ChannelTotals } from '../../../proofs/payment/channel-state.ts';
import { peerIdOf } from '../../../proofs/signing.ts';
import type { ChannelTerms } from '../../../protocol/layouts/channel-terms.ts';
import { decodeChannelTerms } from '../../../protocol/validate.ts';
import type { Journal } from '../../home/journal.ts';
import type { JobTotals } from '../../job/job.ts';
import { expiryMarginMs } from './constants.ts';
import { type KeptChannel, type KeptJob, totalsOf } from './kept-channel.ts';

/** A channel of this process: what is committed, released and under way in it. */
export class OpenChannel {
  readonly id: ChannelId;
  readonly terms: ChannelTerms;
  readonly provider: PeerIdString;
  readonly #save: () => Promise<void>;
  readonly #places = new Set<ChannelPlace>();
  #change = Promise.withResolvers<void>();
  #kept: KeptChannel;
  #isBehind: boolean;
  #depositLamports: bigint;

  /** @param depositLamports with what was added since it was opened */
  constructor(journal: Journal<KeptChannel, ChannelId>, id: ChannelId, kept: KeptChannel, depositLamports: bigint) {
    this.id = id;
    this.terms = decodeChannelTerms(kept.terms.body);
    this.provider = peerIdOf(this.terms.provider);
    this.#kept = kept;
    this.#isBehind = kept.untold !== null;
    this.#depositLamports = depositLamports;
    this.#save = createSharedSave(() => journal.write(id, this.#kept));
  }

  get kept(): KeptChannel {
    return this.#kept;
  }

  get totals(): ChannelTotals {
    return totalsOf(this.#kept);
  }

  get depositLamports(): bigint {
    return this.#depositLamports;
  }

  /** The amounts of the answers under way. */
  get underWayLamports(): bigint {
    return [...this.#places].reduce((sum, { amountLamports }) => sum + amountLamports, 0n);
  }

  /** What further answers can cost. */
  get leftLamports(): bigint {
    return this.#depositLamports - this.totals.committedLamports - this.underWayLamports;
  }

  /** An answer failed: nothing more is paid from it. */
  get hasFailed(): boolean {
    return this.#kept.jobs.some(({ failed }) => failed !== null);
  }

  get isBusy(): boolean {
    return this.#places.size > 0;
  }

  /** Whether it pays for further answers. @param now unix ms of the chain */
  isUsable(now: number): boolean {
    return this.#kept.phase === 'open' && !this.hasFailed && !this.isExpiring(now);
  }

  /** Whether its window takes another answer beside those under way. */
  get hasRoom(): boolean {
    const { committedLamports, releasedLamports } = this.totals;
    return committedLamports - releasedLamports + this.underWayLamports <= this.terms.windowLamports;
  }

  /** The provider does not know the newest totals, and takes no further answer before it does. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /**
   * Whether the provider was told the totals that release this answer. Says nothing if another one was released last:
   * the provider may lack that one's. Kept with the next change: telling it twice does no harm.
   */
  told(jobId: JobId, isTold: boolean): void {
    if (this.#kept.untold !== jobId) return;
    this.#isBehind = !isTold;
    if (isTold) this.#kept = { ...this.#kept, untold: null };
  }

  /** Resolves at the next change of its answers or totals. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  #changes(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  isExpiring(now: number): boolean {
    return now >= Number(this.terms.expiresAt) * 1_000 - expiryMarginMs;
  }

  /** Takes a place for an answer that costs so much at most. */
  reserve(amountLamports: bigint): ChannelPlace {
    const place = new ChannelPlace(this, amountLamports, {
      set: (jobId, job) => this.#set(jobId, job),
      leave: () => {
        this.#places.delete(place);
        this.#changes();
      },
    });
    this.#places.add(place);
    return place;
  }

  /** The deposit is larger now. */
  toppedUp(depositLamports: bigint, fee: bigint): Promise<void> {
    this.#depositLamports = depositLamports;
    return this.change({ fees: this.#kept.fees + fee });
  }

  /** An answer that failed: it is challenged on the chain, or the challenge is over. @throws QvacError E_HOME */
  challenged(jobId: JobId, change: Pick<KeptJob, 'isChallenged'> & Partial<KeptJob>): Promise<void> {
    return this.change({ jobs: this.#kept.jobs.map((job) => (job.jobId === jobId ? { ...job, ...change } : job)) });
  }

  /** On disk when it resolves. @throws QvacError E_HOME */
  change(change: Partial<KeptChannel>): Promise<void> {
    this.#kept = { ...this.#kept, ...change };
    this.#changes();
    return this.#save();
  }

  /** @param job its new state; null: it is released */
  #set(jobId: JobId, job: KeptJob | null): Promise<void> {
    const { jobs, releasedLamports, answers } = this.#kept;
    const others = jobs.filter((each) => each.jobId !== jobId);
    if (job !== null) return this.change({ jobs: [...others, job] });
    const own = jobs.find((each) => each.jobId === jobId)?.committedLamports ?? 0n;
    const released = { releasedLamports: releasedLamports + own, answers: answers + 1, untold: jobId };
    return this.change({ jobs: others, ...released });
  }
}

interface PlaceHooks {
  set(jobId: JobId, job: KeptJob | null): Promise<void>;
  leave(): void;
}

/** One answer's place in a channel. Ends with `conclude` or `leave`. */
export class ChannelPlace implements JobTotals {
  readonly channel: OpenChannel;
  readonly amountLamports: bigint;
  readonly #hooks: PlaceHooks;
  #jobId: JobId | null = null;
  #committedLamports = 0n;

  constructor(channel: OpenChannel, amountLamports: bigint, hooks: PlaceHooks) {
    this.channel = channel;
    this.amountLamports = amountLamports;
    this.#hooks = hooks;
  }

  get jobId(): JobId | null {
    return this.#jobId;
  }

  /** What this answer was acknowledged for. */
  get committedLamports(): bigint {
    return this.#committedLamports;
  }

  begin(jobId: JobId): void {
    this.#jobId = jobId;
  }

  /** @throws QvacError E_BAD_PEER above the amount of the offer */
  commit(lamports: bigint): { readonly totals: ChannelTotals; readonly kept: Promise<void> } {
    if (this.#jobId === null) throw new Error('the answer has not begun');
    if (lamports > this.amountLamports)
      throw new QvacError('E_BAD_PEER', `the answer costs ${lamports} lamports, more than ${this.amountLamports}`);
    this.#committedLamports = lamports;
    const kept = this.#hooks.set(this.#jobId, {
      jobId: this.#jobId,
      committedLamports: lamports,
      failed: null,
      isChallenged: false,
    });
    return { totals: this.channel.totals, kept };
  }

  /**
   * The answer has ended: it is released, or it failed and never is. On disk when it resolves.
   * @param failed digest of the verdict; null: it passed, or was not checked
   * @returns the totals that release it; null if there is nothing to release
   * @throws QvacError E_HOME
   */
  async conclude(failed: Uint8Array | null): Promise<ChannelTotals | null> {
    this.leave();
    if (this.#jobId === null || this.#committedLamports === 0n) return null;
    const job = { jobId: this.#jobId, committedLamports: this.#committedLamports, failed, isChallenged: false };
    await this.#hooks.set(this.#jobId, failed === null ? null : job);
    return failed === null ? this.channel.totals : null;
  }

  /** No further acknowledgement comes. Idempotent. */
  leave(): void {
    this.#hooks.leave();
  }
}
