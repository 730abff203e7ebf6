import type { ChannelAccount } from '../../../../escrow/accounts.ts';
import { anySignal } from '../../../../lib/abort.ts';
import type { Timer } from '../../../../lib/clock.ts';
import { createSharedSave } from '../../../../lib/shared-save.ts';
import type { ChannelId, JobId } from '../../../../lib/types.ts';
import { decodeHead } from '../../../../proofs/head.ts';
import { type ChannelState, type ChannelTotals, createChannelState } from '../../../../proofs/payment/channel-state.ts';
import { type Ack, ackStop, modes, type Signed } from '../../../../protocol/messages.ts';
import { decodeAck } from '../../../../protocol/validate.ts';
import type { Journal } from '../../../home/journal.ts';
import type { AdmittedOrder, PaidJob } from '../payouts.ts';
import type { StepFiles } from '../step-files.ts';
import type { KeptChannel } from './kept-channel.ts';

export interface ServedChannelComponents {
  readonly journal: Journal<KeptChannel, ChannelId>;
  readonly timer: Pick<Timer, 'now'>;
  readonly steps: StepFiles;
}

/** One channel that is on the chain, with the jobs that it pays for. */
export class ServedChannel {
  readonly id: ChannelId;
  readonly #timer: Pick<Timer, 'now'>;
  readonly #steps: StepFiles;
  readonly #state: ChannelState;
  readonly #save: () => Promise<void>;
  readonly #gone = new AbortController();
  #change = Promise.withResolvers<void>();
  #account: ChannelAccount;
  #kept: KeptChannel;
  /** One at a time looks after its account. */
  isHandled = false;

  /** @param kept what earlier processes kept of it */
  constructor(
    { journal, timer, steps }: ServedChannelComponents,
    id: ChannelId,
    account: ChannelAccount,
    kept: KeptChannel,
  ) {
    this.id = id;
    this.#timer = timer;
    this.#steps = steps;
    this.#account = account;
    this.#kept = kept;
    const { deposit, window, committed, released } = account;
    this.#state = createChannelState({
      depositLamports: deposit,
      windowLamports: window,
      // The chain has them even where this node's disk was lost.
      totals: largest({ committedLamports: committed, releasedLamports: released }, [
        totalsOf(kept.committed),
        totalsOf(kept.released),
      ]),
    });
    this.#save = createSharedSave(() => journal.write(this.id, this.#kept));
  }

  get account(): ChannelAccount {
    return this.#account;
  }

  get totals(): ChannelTotals {
    return this.#state.totals;
  }

  get isBusy(): boolean {
    return this.#state.isBusy;
  }

  get kept(): KeptChannel {
    return this.#kept;
  }

  /** Released, and not paid out on the chain as last seen. */
  get dueLamports(): bigint {
    return this.totals.releasedLamports - this.#account.settled;
  }

  /**
   * The client's acknowledgement of stop 2, with which this provider closes. Null without one, and once the chain was
   * shown larger totals, after which it does not take it.
   */
  get noObjection(): Signed | null {
    const { closing } = this.#kept;
    const { committed, released } = this.#account;
    const { committedLamports, releasedLamports } = totalsOf(closing);
    return committedLamports >= committed && releasedLamports >= released ? closing : null;
  }

  /** The acknowledgements that the chain lacks, in the order in which it is to be shown them. */
  get unsettledAcks(): readonly Signed[] {
    const { released, committed } = this.#kept;
    const news = [
      ...(released !== null && decodeAck(released.body).releasedLamports > this.#account.released ? [released] : []),
      ...(committed !== null && decodeAck(committed.body).committedLamports > this.#account.committed
        ? [committed]
        : []),
    ];
    return news[0] === news[1] ? news.slice(0, 1) : news;
  }

  /** The account as the chain has it now. */
  seen(account: ChannelAccount): void {
    this.#account = account;
    this.#state.topUp(account.deposit);
  }

  /** The account is closed: its jobs end. */
  end(): void {
    this.#gone.abort(new Error('the channel that pays for this answer has ended'));
  }

  /** Why the offer is not taken now; null if it is. */
  jobRefusal({ offer }: AdmittedOrder): JobRefusal | null {
    const isClosing = this.#kept.closing !== null || this.#account.closing !== null;
    const why = isClosing ? 'the channel is being closed' : this.#state.jobRefusal(this.#nowS());
    if (why !== null) return { why, isDeposit: false };
    const left = this.#account.deposit - this.totals.committedLamports - this.#state.underWayLamports;
    if (offer.payment.amountLamports <= left) return null;
    return { isDeposit: true, why: `the channel has ${left} lamports left for another answer` };
  }

  /** Resolves at the next change of its jobs or totals. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  #changes(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  /** Takes a job on, to be called right after `jobRefusal`. @param late ends it in time */
  serve({ jobId, offer, promptCount }: AdmittedOrder, late: AbortSignal): PaidJob {
    const { terms, payment, mode } = offer;
    this.#state.addJob(jobId, {
      prices: terms,
      promptCount,
      isScore: mode === modes.score,
      amountLamports: payment.amountLamports,
    });
    const end = (n: number): void => {
      this.#state.end(jobId, n, this.#nowS());
      this.#changes();
    };
    return {
      late: anySignal(late, this.#gone.signal),
      refusalOf: (ack) => this.#state.refusalOf(jobId, ack),
      take: (ack, signed) => this.#take(jobId, ack, signed),
      keep: () => this.#save(),
      deliver: async ({ head }) => end(decodeHead(head.body).n),
      submit: () => undefined,
      decline: () => end(0),
      verdict: (result) => {
        this.#state.verdict(jobId, result);
        this.#changes();
      },
      leave: () => {
        this.#state.leave(jobId);
        this.#changes();
      },
      keepSteps: (steps) => this.#steps.append(this.id, jobId, steps),
    };
  }

  /** Why an acknowledgement outside a job's stream cannot be taken; null if it can. */
  totalsRefusal(ack: Ack): string | null {
    const refusal = this.#state.totalsRefusal(ack);
    if (refusal !== null || ack.stop !== ackStop.noObjection) return refusal;
    const { committedLamports, releasedLamports } = this.totals;
    if (this.#state.isBusy) return 'jobs of this channel are under way';
    if (ack.committedLamports < committedLamports || ack.releasedLamports < releasedLamports)
      return 'the totals are below those that were acknowledged before';
    // What is committed and not released would go back to a client that finds fault with every answer.
    if (ack.releasedLamports < ack.committedLamports) return 'not all that is committed is released';
    return null;
  }

  /** Takes an acknowledgement that is not refused; on disk when it resolves. @throws QvacError E_HOME */
  async takeTotals(ack: Ack, signed: Signed): Promise<void> {
    this.#keepLargest(ack, signed);
    this.#state.takeTotals(ack);
    this.#changes();
    if (ack.stop === ackStop.noObjection) this.#kept = { ...this.#kept, closing: signed };
    await this.#save();
  }

  #take(jobId: JobId, ack: Ack, signed: Signed): void {
    this.#keepLargest(ack, signed);
    this.#state.take(jobId, { ...ack, isStop: ack.stop === ackStop.cancel });
    this.#changes();
  }

  #keepLargest(ack: Ack, signed: Signed): void {
    const { committedLamports, releasedLamports } = this.totals;
    if (ack.committedLamports > committedLamports) this.#kept = { ...this.#kept, committed: signed };
    if (ack.releasedLamports > releasedLamports) this.#kept = { ...this.#kept, released: signed };
    // One that has both is enough for the chain.
    if (ack.committedLamports >= committedLamports && ack.releasedLamports >= releasedLamports)
      this.#kept = { ...this.#kept, committed: signed, released: signed };
  }

  #nowS(): number {
    return this.#timer.now() / 1_000;
  }
}

export interface JobRefusal {
  readonly why: string;
  /** The deposit is too small: another look at the chain may show a larger one. */
  readonly isDeposit: boolean;
}

function totalsOf(ack: Signed | null): ChannelTotals {
  return ack === null ? { committedLamports: 0n, releasedLamports: 0n } : decodeAck(ack.body);
}

function largest(first: ChannelTotals, others: readonly ChannelTotals[]): ChannelTotals {
  return others.reduce(
    (most, one) => ({
      committedLamports:
        one.committedLamports > most.committedLamports ? one.committedLamports : most.committedLamports,
      releasedLamports: one.releasedLamports > most.releasedLamports ? one.releasedLamports : most.releasedLamports,
    }),
    first,
  );
}
