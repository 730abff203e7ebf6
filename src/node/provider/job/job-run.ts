import { QvacError } from '../../../errors.ts';
import type { Timer } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Engine, Savings } from '../../../model/engine.ts';
import type { Vectors } from '../../../proofs/embedding/vectors.ts';
import { encodeHead } from '../../../proofs/head.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import type { Transcript, TranscriptInit } from '../../../proofs/transcript.ts';
import { type Head, kinds, payFrom, type Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import type { PaidJob } from '../payment/payouts.ts';
import { OfferRefusal } from '../refusal.ts';
import { AckGate } from './ack-gate.ts';
import { type AnswerWriter, createAnswerWriter } from './answer-writer.ts';
import type { FinishedSteps } from './openable.ts';

/** A job whose final head is signed. */
export interface FinishedJob {
  readonly admission: Admission;
  readonly transcript: FinishedSteps;
  readonly text: string;
  /** Of an embedding job. */
  readonly vectors?: Vectors | undefined;
  readonly final: Head;
  readonly finalSigned: Signed;
  /** The last acknowledgement. */
  readonly ack: Signed | null;
  /** What the engine was spared. */
  readonly savings: Savings;
  /** Null: it is free. */
  readonly paid: PaidJob | null;
}

/** Never rejects. */
export type KeepFinished = (finished: FinishedJob) => Promise<void>;

export interface JobRunComponents {
  readonly engine: Engine;
  readonly key: SigningKey;
  readonly createTranscript: (init: TranscriptInit) => Transcript;
  /** Measures the waits for acknowledgements. @default the system's */
  readonly timer?: Timer | undefined;
  readonly logger: Logger;
}

export interface JobRunInit {
  /** How long the client may leave a frame unread, in ms. */
  readonly stallMs: number;
  /** How long a paid answer may wait for one acknowledgement, in ms. @default that of section 4 */
  readonly ackStallMs?: number | undefined;
  /** How long a paid answer may wait for acknowledgements in all, in ms. @default that of section 4 */
  readonly maxAckWaitMs?: number | undefined;
}

/**
 * One admitted job on its way to its final head: secures its payment, accepts it, and takes the client's
 * acknowledgements. What is computed and sent is that of `AnswerRun`, `ScoreRun` and `EmbedRun`.
 */
export abstract class JobRun {
  protected readonly components: JobRunComponents;
  protected readonly admission: Admission;
  protected readonly writer: AnswerWriter;
  protected readonly gate: AckGate;
  protected readonly isPaid: boolean;
  /** Ends the wait for the payment or a slot, and the computation. */
  protected readonly stop = new AbortController();
  #paid: PaidJob | null = null;
  #accepted = false;

  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, init: JobRunInit) {
    const { jobId, offer } = admission;
    this.components = components;
    this.admission = admission;
    this.isPaid = offer.payment.pay !== payFrom.nothing;
    this.gate = new AckGate({
      jobId,
      offer,
      stallMs: init.ackStallMs,
      maxWaitMs: init.maxAckWaitMs,
      timer: components.timer,
    });
    this.writer = createAnswerWriter(stream, {
      stallMs: init.stallMs,
      onFailure: (reason) => this.leave(reason),
    });
  }

  /** Whether the final head was sent, and the client may challenge. */
  abstract get finished(): boolean;

  /**
   * Computes and sends everything up to the final head.
   * @param accept sends the accept, before anything else
   * @param keep to be awaited before the client may challenge the job
   */
  protected abstract compute(accept: () => void, keep: KeepFinished): Promise<FinishedJob>;

  /** Keeps what a later process of this provider needs in order to be paid as newly acknowledged. */
  protected abstract keepAcknowledged(): Promise<void>;

  /** Null before it is secured, and for an unpaid job. */
  protected get paid(): PaidJob | null {
    return this.#paid;
  }

  /** Whether the accept was sent; before it, the client cannot acknowledge. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** Whether the client may release it once it has sent its verdict. */
  get isInChannel(): boolean {
    return this.admission.offer.payment.pay === payFrom.channel;
  }

  /**
   * Waits for the payment, if there is one; computes and sends everything up to the final head.
   * @param keep keeps the finished job for its challenge
   * @param secure resolves with the payment once it is locked; null for an unpaid job
   * @throws QvacError E_BUSY if the queue is full; nothing was sent then
   * @throws OfferRefusal if the payment does not arrive
   * @throws the reason given to `abort` or `leave`, or an engine error; no final head was sent then
   */
  async run(
    onAccept: () => void,
    keep: KeepFinished,
    secure: ((signal: AbortSignal) => Promise<PaidJob>) | null = null,
  ): Promise<FinishedJob> {
    const onLate = (): void => this.stop.abort(tooLate());
    try {
      // Before the wait for a slot, so that an unpaid job never holds one.
      this.#paid = secure === null ? null : await secure(this.stop.signal);
      this.#paid?.late.addEventListener('abort', onLate);
      return await this.compute(() => this.#accept(onAccept), keep);
    } catch (error) {
      this.#paid?.decline();
      throw error;
    } finally {
      this.#paid?.late.removeEventListener('abort', onLate);
      this.writer.stop();
    }
  }

  #accept(onAccept: () => void): void {
    const { prompt, inputDigest } = this.admission;
    this.#accepted = true;
    this.writer.frame({ t: 'accept', promptTokens: prompt.tokens, inputDigest, tail: prompt.tail });
    this.gate.sent(0, true);
    onAccept();
  }

  /** Ends the job. */
  abort(reason: Error): void {
    this.stop.abort(reason);
  }

  /** The client left or broke the protocol: nothing more is computed. */
  leave(reason: Error): void {
    this.stop.abort(reason);
  }

  /**
   * Takes an acknowledgement of the client (section 4). It is kept before it has an effect.
   * @throws QvacError E_BAD_PEER if it is invalid or out of place
   */
  async acknowledge(signed: Signed): Promise<void> {
    // Until the payment is secured, its totals could be compared with nothing.
    if (!this.#accepted) throw new QvacError('E_BAD_PEER', 'ack: before the accept');
    const ack = this.gate.take(signed, (each) => this.#paid?.refusalOf(each) ?? null);
    this.#paid?.take(ack, signed);
    await this.keepAcknowledged();
    if (this.gate.isCancelled) this.stop.abort(new QvacError('E_INTERRUPTED', 'the client cancelled its job'));
    this.gate.open();
  }

  /** The client's verdict arrived, after which it may acknowledge once more. */
  verdict(): void {
    this.gate.verdict();
  }

  /** The job's stream is gone: no acknowledgement will come on it. Idempotent. */
  gone(): void {
    this.#paid?.leave();
  }

  protected sign(head: Head): Signed {
    return signBody(this.components.key, kinds.head, this.admission.jobId, encodeHead(head));
  }
}

function tooLate(): OfferRefusal {
  return new OfferRefusal('internal', 'the answer takes longer than its payment allows');
}
