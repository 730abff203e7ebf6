import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { messageOf } from '../../../errors.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import { type AnswerGrammar, followAnswer } from '../../../model/answer-grammar.ts';
import type { Engine, EngineSession, Schedule } from '../../../model/engine.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../../../proofs/grammar/grammar-matcher.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import { createScoreTranscript, type ScoreTranscript } from '../../../proofs/score/score-transcript.ts';
import { execClassOf } from '../../../protocol/digests.ts';
import type { Signed } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { Admission } from '../admission/admission.ts';
import { OfferRefusal } from '../refusal.ts';
import { type FinishedJob, JobRun, type JobRunComponents, type JobRunInit, type KeepFinished } from './job-run.ts';
import { openableScore } from './openable.ts';

/** Steps between two turns of the event loop while the leaves are hashed, and in one frame of text. */
const stepsPerTurn = 64;

/** One admitted score job (section 4.7) from its accept to its head, and the acknowledgement of that. */
export class ScoreRun extends JobRun {
  readonly #transcript: ScoreTranscript;
  /** What the answer's grammar allowed at each step; null without one. */
  readonly #grammar: AnswerGrammar | null;
  #hasSentHead = false;
  #finalSigned: Signed | null = null;

  constructor(components: JobRunComponents, admission: Admission, stream: FrameStream, init: JobRunInit) {
    const { offer, inputDigest, prompt, jobId, input, grammar } = admission;
    const { tokenizer } = components.engine;
    const { vocabulary } = tokenizer;
    const { stops } = offer.sampler;
    const matcher = (): GrammarMatcher | null => grammar && createGrammarMatcher({ rules: grammar, vocabulary, stops });
    const followed = grammar && followAnswer(input.continuation, matcher());
    const transcript = createScoreTranscript({
      jobId,
      offer,
      inputDigest,
      promptCount: prompt.tokens.length,
      execClass: offer.execClass,
      jobSecret: randomBytes(32),
      matcher: matcher(),
      bytesOf: (token) => tokenizer.bytesOf(token),
      markedBytesOf: (token) => tokenizer.markedBytesOf(token),
    });
    // Last, since it starts the heartbeats.
    super(components, admission, stream, init);
    this.#grammar = followed;
    this.#transcript = transcript;
  }

  /** Whether a challenge may come: a paid score opens nothing before its head is acknowledged. */
  override get finished(): boolean {
    return this.#hasSentHead && (!this.isPaid || this.gate.ackedTokens === this.#transcript.tokens.length);
  }

  /** Without an early end: a score is whole, or the job failed and nothing is due. */
  protected override async compute(accept: () => void, keep: KeepFinished): Promise<FinishedJob> {
    accept();
    // All of the work comes now, so it does not begin before something is due for it.
    await this.gate.acknowledged(0, this.stop.signal);
    await this.#score();
    return this.#finish(keep);
  }

  protected override async keepAcknowledged(): Promise<void> {
    // In a channel the totals count, also those for the prompt alone.
    if (this.isInChannel) await this.#keep(this.#finalSigned);
  }

  async #score(): Promise<void> {
    const { engine } = this.components;
    const { exec, input } = this.admission;
    const { signal } = this.stop;
    const session = await engine.open({ signal, exec, isScore: true });
    try {
      const tops = await this.#replay(session, scheduleOf(engine, this.admission.offer.execClass));
      for (const [at, top] of tops.entries()) {
        if (this.#grammar?.isLost(at) === true)
          throw new OfferRefusal('bad-input', 'the answer is not of its grammar, or costs too much to follow');
        this.writer.rest(this.#transcript.add(input.continuation[at] ?? 0, top));
        if (at % stepsPerTurn !== stepsPerTurn - 1) continue;
        this.writer.flush();
        await setImmediate();
      }
      this.writer.rest(this.#transcript.end());
      signal.throwIfAborted();
    } finally {
      session.release().catch(() => undefined);
    }
  }

  #replay(session: EngineSession, schedule: Schedule): Promise<readonly TopLogits[]> {
    const { prompt, input, offer } = this.admission;
    return session.replay(prompt.tokens, input.continuation, offer.sampler.topK, {
      signal: this.stop.signal,
      schedule,
      allowedAt: this.#grammar?.allowedAt,
    });
  }

  async #finish(keep: KeepFinished): Promise<FinishedJob> {
    const final = this.#transcript.head();
    const finalSigned = this.sign(final);
    this.#finalSigned = finalSigned;
    // Kept before it is sent: after a crash at least the prompt is due, which was acknowledged.
    await Promise.all([this.#keep(finalSigned), this.paid?.keepSteps(this.#transcript.keptSteps(0))]);
    this.gate.finalHead(final.n);
    this.gate.sent(final.n, true);
    this.#hasSentHead = true;
    this.writer.head(finalSigned);
    await this.#headAcknowledged(final.n);
    const ack = this.gate.last;
    const finished = {
      admission: this.admission,
      transcript: openableScore(this.#transcript),
      text: this.writer.sentText,
      final,
      finalSigned,
      ack,
      paid: this.paid,
      savings: { reused: 0, guessed: 0, accepted: 0 },
    };
    await Promise.all([ack && this.paid?.deliver({ head: finalSigned, ack }), keep(finished)]);
    this.paid?.submit();
    await this.writer.drained();
    return finished;
  }

  async #keep(head: Signed | null): Promise<void> {
    await this.paid?.keep(head && { head: () => head, ack: this.gate.last });
  }

  /** A client that does not acknowledge the head pays for the prompt alone, and gets no opening. Never throws. */
  async #headAcknowledged(n: number): Promise<void> {
    await this.gate.acknowledged(n, this.stop.signal).catch((error: unknown) => {
      const { logger } = this.components;
      logger.info('a score was not acknowledged', { job: this.admission.jobId, reason: messageOf(error) });
    });
  }
}

/** The cheapest schedule that is known to give the bits of the class. */
function scheduleOf({ exec, selfTest }: Engine, execClass: Uint8Array): Schedule {
  const isTested = equalBytes(execClassOf(exec), execClass) && selfTest?.sameBits.includes('prefill') === true;
  return isTested ? 'prefill' : 'alone';
}
