import { fromHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import { type SigningKey, signBody } from '../../proofs/signing.ts';
import type { FrameOf } from '../../protocol/frames.ts';
import { type AckStop, ackStop, kinds, type Offer, payFrom, type Signed } from '../../protocol/messages.ts';
import { encodeAck } from '../../protocol/validate.ts';

export interface AckSenderInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly key: SigningKey;
  /** Takes each acknowledgement in turn; its failure shows when the stream is read. */
  send(signed: Signed): void;
}

/**
 * Acknowledges what arrives in one job (section 4): a paid one after the accept, after its first tokens and at each
 * head; an unpaid one only to stop it. The provider is paid for what is acknowledged, and for its grace beyond.
 */
export class AckSender {
  readonly #init: AckSenderInit;
  readonly #isPaid: boolean;
  #ackedTokens: number | null = null;
  #begun = false;
  #stopped = false;

  constructor(init: AckSenderInit) {
    this.#init = init;
    this.#isPaid = init.offer.payment.pay !== payFrom.nothing;
  }

  /** The count that was acknowledged last; null if nothing was. */
  get ackedTokens(): number | null {
    return this.#ackedTokens;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** @param n tokens received with this frame, which passed its checks */
  frame(frame: FrameOf<'accept' | 'tokens' | 'head' | 'beat'>, n: number): void {
    if (!this.#isPaid || this.#stopped || frame.t === 'beat') return;
    if (frame.t === 'tokens') {
      if (this.#begun || n === 0) return;
      this.#begun = true;
    }
    // The tokens of a score job are there from the start, but its accept sends none of them.
    this.#acknowledge(frame.t === 'accept' ? 0 : n, ackStop.goOn);
  }

  /** Ends the answer at the `n` tokens received. */
  stop(n: number): Signed {
    this.#stopped = true;
    return this.#acknowledge(n, ackStop.cancel);
  }

  #acknowledge(n: number, stop: AckStop): Signed {
    const { jobId, key } = this.#init;
    const body = encodeAck({
      version: 1,
      jobId: fromHex(jobId),
      n,
      stop,
      account: new Uint8Array(32),
      committedLamports: 0n,
      releasedLamports: 0n,
    });
    const signed = signBody(key, kinds.ack, jobId, body);
    this.#ackedTokens = n;
    this.#init.send(signed);
    return signed;
  }
}
