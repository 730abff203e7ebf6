import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { messageOf } from '../../../errors.ts';
import { toHex } from '../../../lib/bytes.ts';
import type { EngineSession, Savings } from '../../../model/engine.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../../proofs/grammar/grammar-matcher.ts';
import type { Transcript } from '../../../proofs/transcript.ts';
import { type Finish, finish, type Head, modes, type Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import { AckStalledError } from './ack-gate.ts';
import { generate } from './generation.ts';
import { type FinishedJob, JobRun, type JobRunComponents, type JobRunInit, type KeepFinished } from './job-run.ts';
import { openableAnswer } from './openable.ts';

/** One admitted answer from its accept to its final head. */
export class AnswerRun extends JobRun {
  /** Follows the answer through its grammar; null without one. */
  readonly #matcher: GrammarMatcher | null;
  readonly #transcript: Transcript;
  #hasLeft = false;
  #final: Head | null = null;
  #savings: Savings = { reused: 0, guessed: 0, accepted: 0 };
  /** Steps that are kept for a challenge on the chain. */
  #keptSteps = 0;

  /** @throws GrammarTooCostly */
  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, init: JobRunInit) {
    const { offer, settings, grammar, input, inputDigest, prompt, jobId } = admission;
    const { tokenizer } = components.engine;
    const { stops } = offer.sampler;
    const matcher = grammar && createGrammarMatcher({ rules: grammar, vocabulary: tokenizer.vocabulary, stops });
    const transcript = components.createTranscript({
      jobId,
      offer,
      settings,
      continuation: input.continuation,
      inputDigest,
      promptCount: prompt.tokens.length,
      execClass: offer.execClass,
      jobSecret: randomBytes(32),
      bytesOf: (token) => (settings.markers === true ? tokenizer.markedBytesOf(token) : tokenizer.bytesOf(token)),
      matcher,
    });
    // Last, since it starts the heartbeats.
    super(components, admission, stream, init);
    this.#matcher = matcher;
    this.#transcript = transcript;
  }

  override get finished(): boolean {
    return this.#final !== null;
  }

  /**
   * Waits for a slot; then generates and sends everything up to the final head. An answer that has begun ends with a
   * final head in any case, unless its client has left and nothing is paid for it.
   */
  protected override async compute(accept: () => void, keep: KeepFinished): Promise<FinishedJob> {
    // With the class that the offer names, even if a self-test changes the engine's class meanwhile.
    const { exec, offer } = this.admission;
    const slot = this.components.engine.open({ signal: this.stop.signal, exec, owner: toHex(offer.client) });
    await refusedAtOnce(slot);
    accept();
    return this.#finish(await this.#generate(slot), keep);
  }

  /** What the client acknowledged of a paid answer is due. */
  override leave(reason: Error): void {
    this.#hasLeft = true;
    super.leave(reason);
  }

  override async acknowledge(signed: Signed): Promise<void> {
    this.gate.sent(this.writer.sentTokens, false);
    await super.acknowledge(signed);
  }

  /** Behind its final head a job account has its last acknowledgement; in a channel the totals go on. */
  protected override async keepAcknowledged(): Promise<void> {
    if (!this.finished || this.isInChannel) await this.#keep();
  }

  async #generate(slot: Promise<EngineSession>): Promise<Finish> {
    const { prompt, input } = this.admission;
    const { signal } = this.stop;
    let session: EngineSession | null = null;
    try {
      session = await slot;
      const parts = {
        session,
        rendering: prompt.tokens.slice(0, prompt.renderingCount),
        continuation: input.continuation,
        transcript: this.#transcript,
        isGreedy: this.admission.offer.sampler.temperature === 0,
        allowed: this.#matcher,
        writer: this.writer,
        pass: (n: number) => this.#pass(n),
        sendHead: () => this.#sendHead(),
      };
      return await generate(parts, { signal });
    } catch (error) {
      if (this.gate.isCancelled) return finish.cancelled;
      const reason: unknown = signal.aborted ? signal.reason : error;
      if (!this.#mayBreakOff(reason)) throw reason;
      const { logger } = this.components;
      logger.info('an answer was broken off', { job: this.admission.jobId, reason: messageOf(reason) });
      return finish.brokenOff;
    } finally {
      this.#savings = session?.savings ?? this.#savings;
      // Not awaited: the final head need not wait until the slot is cleared.
      session?.release().catch(() => undefined);
    }
  }

  #pass(n: number): Promise<void> {
    // The first token is acknowledged by itself.
    this.gate.sent(this.writer.sentTokens, n === 2);
    return this.gate.pass(n, this.stop.signal);
  }

  /** Whether a final head is worth something: to a client that reads, or because what is acknowledged is paid. */
  #mayBreakOff(reason: unknown): boolean {
    if (this.isPaid) return this.gate.ackedTokens !== null || reason instanceof AckStalledError;
    return !this.#hasLeft && this.writer.sentTokens > 0;
  }

  async #sendHead(): Promise<void> {
    // Kept first: after a crash, nothing is submitted that contradicts a head that was sent.
    await Promise.all([this.#keep(), this.#keepSteps()]);
    this.writer.head(this.sign(this.#transcript.head(finish.notFinal)));
    this.gate.sent(this.writer.sentTokens, true);
  }

  /** Keeps what a later process of this provider needs in order to be paid for the answer so far. */
  async #keep(): Promise<void> {
    const head = (): Signed => this.sign(this.#transcript.head(finish.brokenOff));
    await this.paid?.keep({ head, ack: this.gate.last });
  }

  /** Keeps what opens the steps so far, before a head over them is sent: any signed head can be challenged. */
  async #keepSteps(): Promise<void> {
    if (this.paid === null || this.admission.offer.mode === modes.none) return;
    const from = this.#keptSteps;
    this.#keptSteps = this.#transcript.n;
    await this.paid.keepSteps(this.#transcript.keptSteps(from));
  }

  async #finish(reason: Finish, keep: KeepFinished): Promise<FinishedJob> {
    this.writer.rest(this.#transcript.end(reason));
    this.writer.flush();
    const final = this.#transcript.head(reason);
    if (final.n === 1) await this.#firstAcknowledged();
    const finalSigned = this.sign(final);
    this.gate.sent(this.writer.sentTokens, false);
    this.gate.finalHead(final.n);
    this.#final = final;
    await this.#keepSteps();
    const ack = this.gate.last;
    const { sentText: text } = this.writer;
    const answer = { transcript: openableAnswer(this.#transcript), text, final, finalSigned };
    const finished = { admission: this.admission, ...answer, ack, paid: this.paid, savings: this.#savings };
    if (ack === null) this.paid?.decline();
    await Promise.all([ack && this.paid?.deliver({ head: finalSigned, ack }), keep(finished)]);
    this.writer.head(finalSigned);
    this.paid?.submit();
    await this.writer.drained();
    // A client that has left since may come back with its challenge.
    return finished;
  }

  /** A paid answer's first token counts only once it is acknowledged, even if it is the only one. Never throws. */
  async #firstAcknowledged(): Promise<void> {
    // What would allow the second token.
    await this.#pass(2).catch((error: unknown) => {
      const { logger } = this.components;
      logger.info('the only token was not acknowledged', { job: this.admission.jobId, reason: messageOf(error) });
    });
  }
}

/** Rejects if `slot` is refused without waiting; else resolves at once. */
async function refusedAtOnce(slot: Promise<EngineSession>): Promise<void> {
  // It may also fail later, before it is awaited.
  slot.catch(() => undefined);
  await Promise.race([slot, setImmediate()]);
}
