import { fromHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import { type SigningKey, signBody } from '../../proofs/signing.ts';
import { type AckStop, ackStop, kinds, modes, type Offer, payFrom, type Signed } from '../../protocol/messages.ts';
import { encodeAck } from '../../protocol/validate.ts';
import { costOf } from './cost.ts';
import type { AnswerFrame, JobTotals } from './job.ts';

export interface AckSenderInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly key: SigningKey;
  /** Of the channel that pays; null: the payment has an account of its own, or there is none. */
  readonly totals: JobTotals | null;
  /** Takes each acknowledgement in turn; its failure shows when the stream is read. */
  send(signed: Signed): void;
  /** An acknowledgement cannot be sent, since its totals could not be kept. */
  fail(error: Error): void;
}

/** What arrived so far. */
export interface ArrivedCounts {
  readonly promptCount: number;
  /** Tokens, which passed the checks of their frames. */
  readonly n: number;
}

/** Frames that are not acknowledged: vectors are due as a whole once their job is accepted. */
const silentFrames: ReadonlySet<AnswerFrame['t']> = new Set(['beat', 'progress', 'vectors']);

const noTotals: ChannelTotals = { committedLamports: 0n, releasedLamports: 0n };

/**
 * Acknowledges what arrives in one job (section 4): a paid one after the accept, after its first tokens and at each
 * head; an unpaid one only to stop it. The provider is paid for what is acknowledged, and outside a channel for its
 * grace beyond.
 */
export class AckSender {
  readonly #init: AckSenderInit;
  readonly #isPaid: boolean;
  readonly #isScore: boolean;
  #ackedTokens: number | null = null;
  #begun = false;
  #stopped = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(init: AckSenderInit) {
    this.#init = init;
    this.#isPaid = init.offer.payment.pay !== payFrom.nothing;
    this.#isScore = init.offer.mode === modes.score;
  }

  /** The count that was acknowledged last; null if nothing was. */
  get ackedTokens(): number | null {
    return this.#ackedTokens;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** @param arrived with this frame, too, which passed its checks */
  frame(frame: AnswerFrame, arrived: ArrivedCounts): void {
    if (!this.#isPaid || this.#stopped || silentFrames.has(frame.t)) return;
    if (frame.t === 'tokens') {
      // Those of a score job have the text alone: it is due once its head is there.
      if (this.#begun || this.#isScore || arrived.n === 0) return;
      this.#begun = true;
    }
    // The tokens of a score job are there from the start, but its accept sends none of them.
    this.#acknowledge(frame.t === 'accept' ? { ...arrived, n: 0 } : arrived, ackStop.goOn);
  }

  /** Ends the answer at what arrived. */
  stop(arrived: ArrivedCounts): Signed {
    this.#stopped = true;
    return this.#acknowledge(arrived, ackStop.cancel);
  }

  /** Acknowledges the same count once more, with totals that release the answer. */
  release(totals: ChannelTotals): Signed {
    return this.#sign(this.#ackedTokens ?? 0, ackStop.goOn, totals);
  }

  /** Resolves when every acknowledgement was sent. Never rejects. */
  async sent(): Promise<void> {
    await this.#sending;
  }

  #acknowledge({ promptCount, n }: ArrivedCounts, stop: AckStop): Signed {
    const { offer, totals, send, fail } = this.#init;
    this.#ackedTokens = n;
    const committed = totals?.commit(costOf(offer, { promptCount, n, ackedTokens: n })) ?? null;
    const signed = this.#sign(n, stop, committed?.totals ?? noTotals);
    if (committed === null) send(signed);
    else
      this.#sending = Promise.all([this.#sending, committed.kept]).then(
        () => send(signed),
        (error: Error) => fail(error),
      );
    return signed;
  }

  #sign(n: number, stop: AckStop, totals: ChannelTotals): Signed {
    const { jobId, key, offer } = this.#init;
    const account = offer.payment.pay === payFrom.channel ? offer.payment.account : new Uint8Array(32);
    const body = encodeAck({ version: 1, jobId: fromHex(jobId), n, stop, account, ...totals });
    return signBody(key, kinds.ack, jobId, body);
  }
}
