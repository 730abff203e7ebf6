import { QvacError } from '../../../errors.ts';
import { anySignal, dismiss } from '../../../lib/abort.ts';
import { systemTimer, type Timer } from '../../../lib/clock.ts';
import type { JobId } from '../../../lib/types.ts';
import { type AckState, createAckState } from '../../../proofs/payment/ack-state.ts';
import { verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { ackStallMs, maxAckWaitMs } from '../../../protocol/constants.ts';
import { type Ack, kinds, modes, type Offer, payFrom, type Signed } from '../../../protocol/messages.ts';
import { decodeAck } from '../../../protocol/validate.ts';

/** The client stopped acknowledging: the answer ends here, and is paid as far as it was acknowledged. */
export class AckStalledError extends Error {
  constructor(why: string) {
    super(`the client ${why}`);
    this.name = 'AckStalledError';
  }
}

export interface AckGateInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  /** Longest time without a higher count while something waits to be acknowledged, in ms. @default that of section 4 */
  readonly stallMs?: number | undefined;
  /** Longest time that one job waits in all, in ms. @default that of section 4 */
  readonly maxWaitMs?: number | undefined;
  /** Measures these times. @default the system's */
  readonly timer?: Timer | undefined;
}

/**
 * Holds a paid answer back until the client acknowledged enough of it (section 4): the first token until the accept,
 * the second until the first, and then no more than the grace ahead. An unpaid answer passes.
 */
export class AckGate {
  readonly #init: AckGateInit;
  readonly #state: AckState;
  readonly #isPaid: boolean;
  readonly #timer: Timer;
  readonly #stallMs: number;
  readonly #maxWaitMs: number;
  #lastSigned: Signed | null = null;
  /** Most tokens that may be sent by what has its effect. */
  #openTokens: number;
  /** Since when something waits for a higher count. */
  #dueAt: number | null = null;
  #waitedMs = 0;
  #raised = Promise.withResolvers<void>();

  constructor(init: AckGateInit) {
    const { jobId, offer, stallMs = ackStallMs, maxWaitMs = maxAckWaitMs, timer = systemTimer } = init;
    const { pay, account } = offer.payment;
    this.#init = init;
    this.#isPaid = pay !== payFrom.nothing;
    this.#timer = timer;
    this.#stallMs = stallMs;
    this.#maxWaitMs = maxWaitMs;
    const isScore = offer.mode === modes.score;
    this.#state = createAckState({ jobId, pay, account, graceTokens: offer.terms.grace, isScore });
    this.#openTokens = this.#state.maxTokens;
  }

  /** The last acknowledgement that was taken, as signed. */
  get last(): Signed | null {
    return this.#lastSigned;
  }

  /** The count acknowledged last; null if nothing was. */
  get ackedTokens(): number | null {
    return this.#state.last?.n ?? null;
  }

  get isCancelled(): boolean {
    return this.#state.isCancelled;
  }

  /** So many tokens were handed to the stream; an accept or a head was sent with them, which is to be acknowledged. */
  sent(n: number, isDue: boolean): void {
    this.#state.sent(n);
    // The acknowledgement of the first token may come before the second is ready.
    const isAcknowledged = this.ackedTokens !== null && this.ackedTokens >= n;
    if (this.#isPaid && isDue && !isAcknowledged) this.#dueAt ??= this.#timer.now();
  }

  finalHead(n: number): void {
    this.#state.finalHead(n);
  }

  verdict(): void {
    this.#state.verdict();
  }

  /**
   * Checks and takes an acknowledgement; its effect begins with `open`.
   * @param refusalOf why it is not taken for another reason than the stream's; null if it is
   * @throws QvacError E_BAD_PEER if it is not the client's, or out of place
   */
  take(signed: Signed, refusalOf: (ack: Ack) => string | null = () => null): Ack {
    const before = this.ackedTokens ?? -1;
    try {
      const { jobId, offer } = this.#init;
      if (!verifyBody(offer.client, kinds.ack, jobId, signed))
        throw new MalformedError('ack: not signed by the client');
      const ack = decodeAck(signed.body);
      const refusal = this.#state.refusalOf(ack) ?? refusalOf(ack);
      if (refusal !== null) throw new MalformedError(`ack: ${refusal}`);
      this.#state.take(ack);
      this.#lastSigned = signed;
      if (ack.n > before) this.#dueAt = null;
      return ack;
    } catch (error) {
      if (error instanceof MalformedError) throw new QvacError('E_BAD_PEER', error.message, { cause: error });
      throw error;
    }
  }

  /** Lets what was taken have its effect, once it is kept. */
  open(): void {
    this.#openTokens = this.#state.maxTokens;
    this.#raised.resolve();
    this.#raised = Promise.withResolvers();
  }

  /**
   * Resolves when token number `n` (from 1) may be sent.
   * @throws AckStalledError if the client lets it wait too long; the signal's reason
   */
  async pass(n: number, signal: AbortSignal): Promise<void> {
    this.#checkStall();
    while (n > this.#openTokens) {
      signal.throwIfAborted();
      // Else it is acknowledged, and only to be kept.
      if (n > this.#state.maxTokens) this.#dueAt ??= this.#timer.now();
      await this.#wait(signal);
    }
    // A stop is an acknowledgement, too, but no token follows it.
    signal.throwIfAborted();
  }

  /**
   * Resolves once `n` tokens or more are acknowledged, at once if the job is unpaid.
   * @throws as `pass`
   */
  async acknowledged(n: number, signal: AbortSignal): Promise<void> {
    while (this.#isPaid && (this.ackedTokens ?? -1) < n) {
      signal.throwIfAborted();
      this.#dueAt ??= this.#timer.now();
      await this.#wait(signal);
    }
  }

  #checkStall(): void {
    if (this.#dueAt !== null && this.#timer.now() - this.#dueAt >= this.#stallMs)
      throw new AckStalledError(`acknowledged nothing more for ${this.#stallMs / 1_000} s`);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const began = this.#timer.now();
    const dueAt = this.#dueAt ?? began;
    const leftMs = Math.min(dueAt + this.#stallMs - began, this.#maxWaitMs - this.#waitedMs);
    const raised = new AbortController();
    const elapsed = this.#timer.delay(Math.max(0, leftMs), anySignal(signal, raised.signal)).catch(() => undefined);
    try {
      await Promise.race([this.#raised.promise, elapsed]);
    } finally {
      dismiss(raised);
      this.#waitedMs += this.#timer.now() - began;
    }
    this.#checkStall();
    if (this.#waitedMs >= this.#maxWaitMs)
      throw new AckStalledError(`let the answer wait for ${this.#maxWaitMs / 1_000} s in all`);
  }
}
