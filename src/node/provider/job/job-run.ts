import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { messageOf } from '../../../errors.ts';
import { toHex } from '../../../lib/bytes.ts';
import type { Timer } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Engine, EngineSession, Savings } from '../../../model/engine.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../../proofs/grammar/grammar-matcher.ts';
import { encodeHead } from '../../../proofs/head.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import type { Transcript, TranscriptInit } from '../../../proofs/transcript.ts';
import { type Finish, finish, type Head, kinds, modes, payFrom, type Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import type { PaidJob } from '../payment/payouts.ts';
import { OfferRefusal } from '../refusal.ts';
import { AckGate, AckStalledError } from './ack-gate.ts';
import { type AnswerWriter, createAnswerWriter } from './answer-writer.ts';
import { generate } from './generation.ts';

/** A job that has sent its final head. */
export interface FinishedJob {
  readonly admission: Admission;
  readonly transcript: Transcript;
  readonly text: string;
  readonly final: Head;
  readonly finalSigned: Signed;
  /** The last acknowledgement. */
  readonly ack: Signed | null;
  /** What the engine was spared. */
  readonly savings: Savings;
  /** Null: it is free. */
  readonly paid: PaidJob | null;
}

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

/** One admitted job from its accept to its final head. */
export class JobRun {
  readonly #components: JobRunComponents;
  readonly #admission: Admission;
  /** Follows the answer through its grammar; null without one. */
  readonly #matcher: GrammarMatcher | null;
  readonly #transcript: Transcript;
  readonly #writer: AnswerWriter;
  readonly #gate: AckGate;
  readonly #isPaid: boolean;
  /** Ends the wait for a slot, the prompt and the generation. */
  readonly #stop = new AbortController();
  #paid: PaidJob | null = null;
  #accepted = false;
  #hasLeft = false;
  #final: Head | null = null;
  #savings: Savings = { reused: 0, guessed: 0, accepted: 0 };
  /** Steps that are kept for a challenge on the chain. */
  #keptSteps = 0;

  /** @throws GrammarTooCostly */
  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, init: JobRunInit) {
    const { offer, settings, grammar, input, inputDigest, prompt, jobId } = admission;
    const { tokenizer } = components.engine;
    const bytesOf = (token: number): Uint8Array =>
      settings.markers === true ? tokenizer.markedBytesOf(token) : tokenizer.bytesOf(token);
    this.#components = components;
    this.#admission = admission;
    this.#isPaid = offer.payment.pay !== payFrom.nothing;
    this.#gate = new AckGate({
      jobId,
      offer,
      stallMs: init.ackStallMs,
      maxWaitMs: init.maxAckWaitMs,
      timer: components.timer,
    });
    const { stops } = offer.sampler;
    this.#matcher = grammar && createGrammarMatcher({ rules: grammar, vocabulary: tokenizer.vocabulary, stops });
    this.#transcript = components.createTranscript({
      jobId,
      offer,
      settings,
      continuation: input.continuation,
      inputDigest,
      promptCount: prompt.tokens.length,
      execClass: offer.execClass,
      jobSecret: randomBytes(32),
      bytesOf,
      matcher: this.#matcher,
    });
    this.#writer = createAnswerWriter(stream, {
      stallMs: init.stallMs,
      onFailure: (reason) => this.leave(reason),
    });
  }

  /** Whether the accept was sent; before it, the client cannot acknowledge. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** Whether the final head was sent. */
  get finished(): boolean {
    return this.#final !== null;
  }

  /**
   * Waits for the payment, if there is one, and for a slot; then generates and sends everything up to the final head.
   * An answer that has begun ends with a final head in any case, unless nobody reads it and nothing is paid for it.
   * @param secure resolves with the payment once it is locked; null for an unpaid job
   * @throws QvacError E_BUSY if the queue is full; nothing was sent then
   * @throws OfferRefusal if the payment does not arrive
   * @throws the reason given to `abort` or `leave`, or an engine error; no final head was sent then
   */
  async run(
    onAccept: () => void,
    secure: ((signal: AbortSignal) => Promise<PaidJob>) | null = null,
  ): Promise<FinishedJob> {
    const { prompt, inputDigest, exec } = this.#admission;
    const onLate = (): void => this.#stop.abort(tooLate());
    try {
      // Before the wait for a slot, so that an unpaid job never holds one.
      this.#paid = secure === null ? null : await secure(this.#stop.signal);
      this.#paid?.late.addEventListener('abort', onLate);
      // With the class that the offer names, even if a self-test changes the engine's class meanwhile.
      const owner = toHex(this.#admission.offer.client);
      const slot = this.#components.engine.open({ signal: this.#stop.signal, exec, owner });
      await refusedAtOnce(slot);
      this.#accepted = true;
      this.#writer.frame({ t: 'accept', promptTokens: prompt.tokens, inputDigest, tail: prompt.tail });
      this.#gate.sent(0, true);
      onAccept();
      return await this.#finish(await this.#generate(slot));
    } catch (error) {
      this.#paid?.decline();
      throw error;
    } finally {
      this.#paid?.late.removeEventListener('abort', onLate);
      this.#writer.stop();
    }
  }

  /** Ends the job: with a final head if the answer has begun. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  /** The client left or broke the protocol. What it acknowledged of a paid answer is due, and no more is generated. */
  leave(reason: Error): void {
    this.#hasLeft = true;
    this.#stop.abort(reason);
  }

  /**
   * Takes an acknowledgement of the client (section 4). It is kept before it has an effect.
   * @throws QvacError E_BAD_PEER if it is invalid or out of place
   */
  async acknowledge(signed: Signed): Promise<void> {
    this.#gate.sent(this.#writer.sentTokens, false);
    const ack = this.#gate.take(signed, (each) => this.#paid?.refusalOf(each) ?? null);
    this.#paid?.take(ack, signed);
    // Behind its final head a job account has its last one; in a channel the totals go on.
    if (!this.finished || this.isInChannel) await this.#keep();
    if (this.#gate.isCancelled) this.#stop.abort(new Error('cancelled by the client'));
    this.#gate.open();
  }

  /** Whether the client may release it once it has sent its verdict. */
  get isInChannel(): boolean {
    return this.#admission.offer.payment.pay === payFrom.channel;
  }

  /** The client's verdict arrived, after which it may acknowledge once more. */
  verdict(): void {
    this.#gate.verdict();
  }

  /** The job's stream is gone: no acknowledgement will come on it. */
  gone(): void {
    this.#paid?.leave();
  }

  async #generate(slot: Promise<EngineSession>): Promise<Finish> {
    const { prompt, input } = this.#admission;
    const { signal } = this.#stop;
    let session: EngineSession | null = null;
    try {
      session = await slot;
      const parts = {
        session,
        rendering: prompt.tokens.slice(0, prompt.renderingCount),
        continuation: input.continuation,
        transcript: this.#transcript,
        isGreedy: this.#admission.offer.sampler.temperature === 0,
        allowed: this.#matcher,
        writer: this.#writer,
        pass: (n: number) => this.#pass(n),
        sendHead: () => this.#sendHead(),
      };
      return await generate(parts, { signal });
    } catch (error) {
      if (this.#gate.isCancelled) return finish.cancelled;
      const reason: unknown = signal.aborted ? signal.reason : error;
      if (!this.#mayBreakOff(reason)) throw reason;
      const { logger } = this.#components;
      logger.info('an answer was broken off', { job: this.#admission.jobId, reason: messageOf(reason) });
      return finish.brokenOff;
    } finally {
      this.#savings = session?.savings ?? this.#savings;
      // Not awaited: the final head need not wait until the slot is cleared.
      session?.release().catch(() => undefined);
    }
  }

  #pass(n: number): Promise<void> {
    // The first token is acknowledged by itself.
    this.#gate.sent(this.#writer.sentTokens, n === 2);
    return this.#gate.pass(n, this.#stop.signal);
  }

  /** Whether a final head is worth something: to a client that reads, or because what is acknowledged is paid. */
  #mayBreakOff(reason: unknown): boolean {
    if (this.#isPaid) return this.#gate.ackedTokens !== null || reason instanceof AckStalledError;
    return !this.#hasLeft && this.#writer.sentTokens > 0;
  }

  async #sendHead(): Promise<void> {
    // Kept first: after a crash, nothing is submitted that contradicts a head that was sent.
    await Promise.all([this.#keep(), this.#keepSteps()]);
    this.#writer.head(this.#sign(this.#transcript.head(finish.notFinal)));
    this.#gate.sent(this.#writer.sentTokens, true);
  }

  /** Keeps what a later process of this provider needs in order to be paid for the answer so far. */
  async #keep(): Promise<void> {
    const head = (): Signed => this.#sign(this.#transcript.head(finish.brokenOff));
    await this.#paid?.keep({ head, ack: this.#gate.last });
  }

  /** Keeps what opens the steps so far, before a head over them is sent: any signed head can be challenged. */
  async #keepSteps(): Promise<void> {
    if (this.#paid === null || this.#admission.offer.mode === modes.none) return;
    const from = this.#keptSteps;
    this.#keptSteps = this.#transcript.n;
    await this.#paid.keepSteps(this.#transcript.keptSteps(from));
  }

  async #finish(reason: Finish): Promise<FinishedJob> {
    this.#writer.rest(this.#transcript.end(reason));
    this.#writer.flush();
    const final = this.#transcript.head(reason);
    if (final.n === 1) await this.#firstAcknowledged();
    const finalSigned = this.#sign(final);
    this.#gate.sent(this.#writer.sentTokens, false);
    this.#gate.finalHead(final.n);
    this.#final = final;
    await this.#keepSteps();
    const ack = this.#gate.last;
    if (ack === null) this.#paid?.decline();
    else await this.#paid?.deliver({ head: finalSigned, ack });
    this.#writer.head(finalSigned);
    await this.#writer.drained();
    // A client that has left since may come back with its challenge.
    const { sentText: text } = this.#writer;
    const answer = { transcript: this.#transcript, text, final, finalSigned };
    return { admission: this.#admission, ...answer, ack, paid: this.#paid, savings: this.#savings };
  }

  /** A paid answer's first token counts only once it is acknowledged, even if it is the only one. Never throws. */
  async #firstAcknowledged(): Promise<void> {
    // What would allow the second token.
    await this.#pass(2).catch((error: unknown) => {
      const { logger } = this.#components;
      logger.info('the only token was not acknowledged', { job: this.#admission.jobId, reason: messageOf(error) });
    });
  }

  #sign(head: Head): Signed {
    return signBody(this.#components.key, kinds.head, this.#admission.jobId, encodeHead(head));
  }
}

function tooLate(): OfferRefusal {
  return new OfferRefusal('internal', 'the answer takes longer than its payment allows');
}

/** Rejects if `slot` is refused without waiting; else resolves at once. */
async function refusedAtOnce(slot: Promise<EngineSession>): Promise<void> {
  // It may also fail later, before it is awaited.
  slot.catch(() => undefined);
  await Promise.race([slot, setImmediate()]);
}
