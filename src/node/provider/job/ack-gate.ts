import { QvacError } from '../../../errors.ts';
import type { JobId } from '../../../lib/types.ts';
import { type AckState, createAckState } from '../../../proofs/payment/ack-state.ts';
import { verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { ackStallMs, maxAckWaitMs } from '../../../protocol/constants.ts';
import { kinds, modes, type Offer, payFrom, type Signed } from '../../../protocol/messages.ts';
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
}

/**
 * Holds a paid answer back until the client acknowledged enough of it (section 4): the first token until the accept,
 * the second until the first, and then no more than the grace ahead. An unpaid answer passes.
 */
export class AckGate {
  readonly #init: AckGateInit;
  readonly #state: AckState;
  readonly #isPaid: boolean;
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
    const { jobId, offer, stallMs = ackStallMs, maxWaitMs = maxAckWaitMs } = init;
    const { pay, account } = offer.payment;
    this.#init = init;
    this.#isPaid = pay !== payFrom.nothing;
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
    if (this.#isPaid && isDue) this.#dueAt ??= performance.now();
  }

  finalHead(n: number): void {
    this.#state.finalHead(n);
  }

  verdict(): void {
    this.#state.verdict();
  }

  /**
   * Checks and takes an acknowledgement; its effect begins with `open`.
   * @throws QvacError E_BAD_PEER if it is not the client's, or out of place
   */
  take(signed: Signed): void {
    const before = this.ackedTokens ?? -1;
    try {
      const { jobId, offer } = this.#init;
      if (!verifyBody(offer.client, kinds.ack, jobId, signed))
        throw new MalformedError('ack: not signed by the client');
      this.#state.take(decodeAck(signed.body));
    } catch (error) {
      if (error instanceof MalformedError) throw new QvacError('E_BAD_PEER', error.message, { cause: error });
      throw error;
    }
    this.#lastSigned = signed;
    if ((this.ackedTokens ?? -1) > before) this.#dueAt = null;
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
      await this.#wait(signal);
    }
  }

  #checkStall(): void {
    if (this.#dueAt !== null && performance.now() - this.#dueAt >= this.#stallMs)
      throw new AckStalledError(`acknowledged nothing more for ${this.#stallMs / 1_000} s`);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const began = performance.now();
    this.#dueAt ??= began;
    const leftMs = Math.min(this.#dueAt + this.#stallMs - began, this.#maxWaitMs - this.#waitedMs);
    const ended = Promise.withResolvers<void>();
    const onAbort = (): void => ended.resolve();
    const timer = setTimeout(ended.resolve, Math.max(0, leftMs));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#raised.promise, ended.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      this.#waitedMs += performance.now() - began;
    }
    this.#checkStall();
    if (this.#waitedMs >= this.#maxWaitMs)
      throw new AckStalledError(`let the answer wait for ${this.#maxWaitMs / 1_000} s in all`);
  }
}
