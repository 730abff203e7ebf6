import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { QvacError } from '../../../errors.ts';
import type { JobId } from '../../../lib/types.ts';
import type { Engine, EngineSession } from '../../../model/engine.ts';
import { encodeHead } from '../../../proofs/head.ts';
import { type SigningKey, signBody, verifyBody } from '../../../proofs/signing.ts';
import type { Transcript, TranscriptInit } from '../../../proofs/transcript.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { cancelGraceTokens } from '../../../protocol/constants.ts';
import { jobIdHex } from '../../../protocol/digests.ts';
import { type Finish, type Head, kinds, type Signed } from '../../../protocol/messages.ts';
import { decodeCancel } from '../../../protocol/validate.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import type { PaidJob } from '../payment/payouts.ts';
import { OfferRefusal } from '../refusal.ts';
import { type AnswerWriter, createAnswerWriter } from './answer-writer.ts';
import { generate } from './generation.ts';

/** A job that has sent its final head. */
export interface FinishedJob {
  readonly admission: Admission;
  readonly transcript: Transcript;
  readonly text: string;
  readonly final: Head;
  readonly finalSigned: Signed;
  readonly cancel: Signed | null;
}

export interface JobRunComponents {
  readonly engine: Engine;
  readonly key: SigningKey;
  readonly createTranscript: (init: TranscriptInit) => Transcript;
}

export interface JobRunInit {
  /** How long the client may leave a frame unread, in ms. */
  readonly stallMs: number;
}

/** One admitted job from its accept to its final head. */
export class JobRun {
  readonly #components: JobRunComponents;
  readonly #admission: Admission;
  readonly #transcript: Transcript;
  readonly #writer: AnswerWriter;
  /** Ends the wait for a slot, the prompt and the generation. */
  readonly #stop = new AbortController();
  #paid: PaidJob | null = null;
  /** Why the client left, and how many tokens the answer may still reach. */
  #left: { readonly reason: Error; readonly maxTokens: number } | null = null;
  #cancel: Signed | null = null;
  #accepted = false;
  #final: Head | null = null;

  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, { stallMs }: JobRunInit) {
    const { offer, inputDigest, promptTokens } = admission;
    this.#components = components;
    this.#admission = admission;
    this.#transcript = components.createTranscript({
      jobId: admission.jobId,
      offer,
      inputDigest,
      promptCount: promptTokens.length,
      execClass: offer.execClass,
      jobSecret: randomBytes(32),
    });
    this.#writer = createAnswerWriter(stream, { stallMs, onFailure: (reason) => this.leave(reason) });
  }

  /** True once the accept was sent: before it there is nothing to cancel. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** True once the final head was sent: a later cancel has crossed it. */
  get finished(): boolean {
    return this.#final !== null;
  }

  /**
   * Waits for the payment (if any) and a slot, generates the answer, and sends everything up to the final head.
   * @param secure resolves when the payment is locked; null for a free job
   * @throws QvacError E_BUSY if the queue is full, before anything was sent
   * @throws OfferRefusal if the payment does not arrive
   * @throws the reason given to `abort` or `leave`, or the engine's error; then no final head was sent
   */
  async run(
    onAccept: () => void,
    secure: ((signal: AbortSignal) => Promise<PaidJob>) | null = null,
  ): Promise<FinishedJob> {
    const { promptTokens, inputDigest } = this.#admission;
    const onLate = (): void => this.abort(tooLate());
    try {
      // Before a slot is taken, so that an unpaid offer never blocks a paid one.
      this.#paid = secure === null ? null : await secure(this.#stop.signal);
      this.#paid?.late.addEventListener('abort', onLate);
      // The offer's class, even if a self-test changes the card while this job waits in the queue.
      const slot = this.#components.engine.open({ signal: this.#stop.signal, exec: this.#admission.exec });
      await refusedAtOnce(slot);
      this.#accepted = true;
      this.#writer.frame({ t: 'accept', promptTokens, inputDigest });
      onAccept();
      const finish = await this.#generate(slot);
      if (this.#paid?.late.aborted === true) throw tooLate();
      const { head: final, signed: finalSigned } = this.#signHead(finish);
      this.#final = final;
      await this.#paid?.deliver(final, this.#cancel);
      this.#writer.head(finalSigned);
      await this.#writer.drained();
      // A client that left by now may come back with its challenge.
      return {
        admission: this.#admission,
        transcript: this.#transcript,
        text: this.#writer.sentText,
        final,
        finalSigned,
        cancel: this.#cancel,
      };
    } catch (error) {
      this.#paid?.decline();
      throw error;
    } finally {
      this.#paid?.late.removeEventListener('abort', onLate);
      this.#writer.stop();
    }
  }

  /** Ends the job without a final head. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  /**
   * The client left, or broke the protocol. Without a signed cancel, only a complete answer can be submitted for
   * payment. A paid job that has sent tokens therefore continues for as many tokens as a cancel would cost; otherwise a
   * client could leave just before the end and pay nothing. Any other job ends without a final head.
   */
  leave(reason: Error): void {
    if (this.#paid === null || this.#writer.sentTokens === 0) return this.abort(reason);
    this.#left ??= { reason, maxTokens: this.#writer.sentTokens + cancelGraceTokens };
  }

  /** Takes the client's cancel (section 4). @throws QvacError E_BAD_PEER if it is invalid */
  cancel(signed: Signed): void {
    if (this.finished) return;
    const { jobId, offer } = this.#admission;
    const n = cancelledAt(signed, jobId, offer.client);
    if (this.#cancel !== null || !this.accepted || n > this.#writer.sentTokens)
      throw new QvacError('E_BAD_PEER', `an unexpected cancel at ${n} tokens`);
    this.#cancel = signed;
    this.#stop.abort(new Error('cancelled by the client'));
  }

  async #generate(slot: Promise<EngineSession>): Promise<Finish> {
    const { engine } = this.#components;
    const { promptTokens, offer } = this.#admission;
    let session: EngineSession | null = null;
    try {
      session = await slot;
      const parts = {
        session,
        tokenizer: engine.tokenizer,
        promptTokens,
        topK: offer.sampler.topK,
        transcript: this.#transcript,
        writer: this.#writer,
        sendHead: () => this.#writer.head(this.#signHead(255).signed),
        goOn: () => this.#goOn(),
      };
      return await generate(parts, { signal: this.#stop.signal });
    } catch (error) {
      if (this.#cancel !== null) return 2;
      throw this.#stop.signal.aborted ? this.#stop.signal.reason : error;
    } finally {
      // Not awaited: the head must not wait until the slot is cleared.
      session?.release().catch(() => undefined);
    }
  }

  /** @throws the reason given to `leave`, once the answer has its maximum of tokens without a client */
  #goOn(): void {
    if (this.#left !== null && this.#transcript.n >= this.#left.maxTokens) throw this.#left.reason;
  }

  /** A head over all tokens so far, which are sent first. */
  #signHead(finish: Finish): { readonly head: Head; readonly signed: Signed } {
    this.#writer.flush();
    const head = this.#transcript.head({ text: this.#writer.sentText, finish });
    return { head, signed: signBody(this.#components.key, kinds.head, this.#admission.jobId, encodeHead(head)) };
  }
}

function tooLate(): OfferRefusal {
  return new OfferRefusal('internal', 'the answer takes longer than its payment is locked for');
}

/** Rejects if `slot` is refused at once; otherwise resolves without waiting for it. */
async function refusedAtOnce(slot: Promise<EngineSession>): Promise<void> {
  // The slot may fail before `#generate` awaits it.
  slot.catch(() => undefined);
  await Promise.race([slot, setImmediate()]);
}

/** The `n` of a cancel, if the client signed it for this job. @throws QvacError E_BAD_PEER */
function cancelledAt(signed: Signed, jobId: JobId, client: Uint8Array): number {
  try {
    const cancel = decodeCancel(signed.body);
    if (jobIdHex(cancel.jobId) === jobId && verifyBody(client, kinds.cancel, jobId, signed)) return cancel.n;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  throw new QvacError('E_BAD_PEER', 'the cancel is invalid');
}
