import { equalBytes, fromHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { isZero } from '../../protocol/layouts/body.ts';
import { type Ack, ackStop, type PayFrom, payFrom } from '../../protocol/messages.ts';

export interface AckStateInit {
  readonly jobId: JobId;
  readonly pay: PayFrom;
  /** The offer's `account`. */
  readonly account: Uint8Array;
  /** Tokens that the provider may run ahead. */
  readonly graceTokens: number;
  /** A score job: its head sends all tokens at once. */
  readonly isScore: boolean;
}

/**
 * The acknowledgements of one job's stream as its provider takes them (section 4), and how far it may send. An
 * acknowledgement that is not taken changes nothing; it is a bad frame and ends the job.
 */
export interface AckState {
  /** The last one that was taken. */
  readonly last: Ack | null;
  /** The client asked to end the answer before the final head. */
  readonly isCancelled: boolean;
  /** The final head is acknowledged, or the answer was stopped: only repetitions and the release may follow. */
  readonly isClosed: boolean;
  /** Most tokens that may have been sent by now; Infinity without a limit. */
  readonly maxTokens: number;
  /** So many tokens have been sent in all. */
  sent(n: number): void;
  /** The final head over `n` tokens was sent. */
  finalHead(n: number): void;
  /** The client's verdict came, after which it may release. */
  verdict(): void;
  /** Why an acknowledgement cannot be taken; null if it can. */
  refusalOf(ack: Ack): string | null;
  /** @throws MalformedError if it cannot be taken */
  take(ack: Ack): void;
}

export function createAckState(init: AckStateInit): AckState {
  return new StreamAcks(init);
}

class StreamAcks implements AckState {
  readonly #init: AckStateInit;
  #sent = 0;
  #final: number | null = null;
  #hasVerdict = false;
  #last: Ack | null = null;
  #isCancelled = false;
  /** After the last acknowledgement but its repetition and the release. */
  #isClosed = false;
  #isRepeated = false;
  #isReleased = false;

  constructor(init: AckStateInit) {
    this.#init = init;
  }

  get last(): Ack | null {
    return this.#last;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get maxTokens(): number {
    const { pay, isScore, graceTokens } = this.#init;
    if (pay === payFrom.nothing || isScore) return Infinity;
    if (this.#last === null) return 0;
    return this.#last.n === 0 ? 1 : this.#last.n + graceTokens;
  }

  sent(n: number): void {
    this.#sent = Math.max(this.#sent, n);
  }

  finalHead(n: number): void {
    this.#final = n;
    this.sent(n);
  }

  verdict(): void {
    this.#hasVerdict = true;
  }

  refusalOf(ack: Ack): string | null {
    return this.#misplaced(ack) ?? this.#falling(ack) ?? (this.#isClosed ? this.#following(ack) : null);
  }

  take(ack: Ack): void {
    const refusal = this.refusalOf(ack);
    if (refusal !== null) throw new MalformedError(`ack: ${refusal}`);
    if (this.#isClosed) {
      if (this.#isRelease(ack)) this.#isReleased = true;
      else this.#isRepeated = true;
    } else {
      const isStop = ack.stop === ackStop.cancel;
      if (isStop && this.#final === null) this.#isCancelled = true;
      this.#isClosed = isStop || ack.n === this.#final;
    }
    this.#last = ack;
  }

  /** What holds for every acknowledgement of the job. */
  #misplaced({ jobId, stop, account, committedLamports, n }: Ack): string | null {
    const { pay } = this.#init;
    if (!equalBytes(jobId, fromHex(this.#init.jobId))) return 'of another job';
    if (stop === ackStop.noObjection) return 'it closes a channel';
    if (pay !== payFrom.channel && (committedLamports !== 0n || !isZero(account))) return 'totals outside a channel';
    if (pay === payFrom.channel && !equalBytes(account, this.#init.account)) return 'of another channel';
    if (pay === payFrom.nothing && stop !== ackStop.cancel) return 'an unpaid job is acknowledged only to stop it';
    if (n > this.#sent) return 'more than was sent';
    return null;
  }

  #falling({ n, committedLamports, releasedLamports }: Ack): string | null {
    if (this.#last === null) return null;
    if (n < this.#last.n) return 'n falls';
    if (committedLamports < this.#last.committedLamports || releasedLamports < this.#last.releasedLamports)
      return 'the totals fall';
    return null;
  }

  /** What may still come after the last one: one repetition, and one that releases. */
  #following(ack: Ack): string | null {
    const mayFollow = ack.n === this.#last?.n && !this.#isReleased && (this.#isRelease(ack) || !this.#isRepeated);
    return mayFollow ? null : 'nothing else follows a stop or the acknowledgement of the final head';
  }

  #isRelease({ releasedLamports }: Ack): boolean {
    const before = this.#last?.releasedLamports ?? 0n;
    return this.#init.pay === payFrom.channel && this.#hasVerdict && releasedLamports > before;
  }
}
