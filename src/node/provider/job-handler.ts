import { ownWordsOf, QvacError, toError } from '../../errors.ts';
import { dismiss } from '../../lib/abort.ts';
import { monotonicMs } from '../../lib/clock.ts';
import type { FrameOf } from '../../protocol/frames.ts';
import { modeName, modes, payFrom } from '../../protocol/messages.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import { type Admission, type AdmissionComponents, admit, payableOffer } from './admission/admission.ts';
import type { TimeLimit } from './admission/time-limit.ts';
import type { ProviderEvent } from './events.ts';
import { AnswerRun } from './job/answer-run.ts';
import { EmbedRun } from './job/embed-run.ts';
import type { JobRun, JobRunComponents, JobRunInit } from './job/job-run.ts';
import type { AfterFrame, Openings } from './job/openings.ts';
import { ScoreRun } from './job/score-run.ts';
import type { PaidJob, ProviderPayouts } from './payment/payouts.ts';
import { OfferRefusal } from './refusal.ts';

export interface JobHandlerComponents extends AdmissionComponents, JobRunComponents {
  readonly openings: Openings;
  readonly timeLimit: TimeLimit;
  /** Null: the provider takes no payment. */
  readonly payouts: ProviderPayouts | null;
}

export interface JobHandlerInit extends JobRunInit {
  /** How long a client may take for its first frame, in ms. */
  readonly firstFrameMs: number;
  readonly onEvent: (event: ProviderEvent) => void;
}

/** The provider's side of `/qvac/job/1.0.0` and `/qvac/embed/1.0.0`. */
export class JobHandler {
  readonly #components: JobHandlerComponents;
  readonly #init: JobHandlerInit;
  readonly #running = new Set<JobRun>();
  #idle: () => void = () => undefined;
  #isStopping = false;

  constructor(components: JobHandlerComponents, init: JobHandlerInit) {
    this.#components = components;
    this.#init = init;
  }

  /**
   * Admits no further job, and resolves when none is running. Jobs that still run after `graceMs` are ended without a
   * final head.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#running.size === 0) return;
    const timer = setTimeout(() => {
      for (const run of this.#running) run.abort(new OfferRefusal('internal', 'this provider is stopping'));
    }, graceMs);
    await new Promise<void>((resolve) => (this.#idle = resolve));
    clearTimeout(timer);
  }

  /**
   * Handles one stream: an offer with all that follows, or a late challenge.
   * @param isEmbedding the stream is one of `/qvac/embed/1.0.0`
   * @throws OfferRefusal to be sent to the client; QvacError E_BAD_PEER, E_TRUNCATED
   */
  async handle(stream: FrameStream, isEmbedding = false): Promise<void> {
    const first = await readWithin(stream, ['offer', 'challenge'], this.#init.firstFrameMs);
    if (first?.t === 'offer') await this.#serve(stream, first, isEmbedding);
    else if (first?.t === 'challenge') await this.#components.openings.answerLate(stream, first);
  }

  async #serve(stream: FrameStream, frame: FrameOf<'offer'>, isEmbedding: boolean): Promise<void> {
    const { admission, run } = this.#admit(stream, frame, isEmbedding);
    const ids = { job: admission.jobId, client: stream.remote.peer };
    const began = monotonicMs();
    const end = new AbortController();
    this.#running.add(run);
    try {
      const listening = this.#listen(stream, run, end.signal);
      listening.catch((error: unknown) => run.leave(toError(error)));
      const onAccept = (): void =>
        this.#init.onEvent({
          event: 'job-accepted',
          ...ids,
          mode: admission.settings.embed === undefined ? modeName(admission.offer.mode) : 'embed',
          promptTokens: admission.prompt.tokens.length,
          maxTokens: admission.offer.sampler.maxTokens,
        });
      const { openings } = this.#components;
      const finished = await run.run(onAccept, (job) => openings.keep(job), this.#paymentOf(admission));
      this.#ended(run);
      this.#init.onEvent({
        event: 'job-finished',
        ...ids,
        tokens: finished.transcript.tokens.length,
        vectors: finished.vectors?.counts.length ?? null,
        finish: finished.final.finish,
        ms: Math.round(monotonicMs() - began),
        ...finished.savings,
      });
      await openings.conclude(finished, { stream, run, first: listening, end });
    } catch (error) {
      if (run.accepted && !run.finished) this.#init.onEvent({ event: 'job-failed', ...ids, reason: ownWordsOf(error) });
      throw error;
    } finally {
      dismiss(end);
      run.gone();
      this.#ended(run);
    }
  }

  /** Admits the offer. If it is refused, the client's locked payment is refunded. */
  #admit(
    stream: FrameStream,
    frame: FrameOf<'offer'>,
    isEmbedding: boolean,
  ): { readonly admission: Admission; readonly run: JobRun } {
    const { openings, timeLimit, payouts } = this.#components;
    try {
      // On a stream that was opened before.
      if (this.#isStopping) throw new OfferRefusal('busy', 'this provider is stopping');
      if (openings.full) throw new OfferRefusal('busy', 'too many finished jobs are kept');
      if ((frame.input.template === 'embed') !== isEmbedding)
        throw new OfferRefusal('bad-offer', 'this stream is not the one for such an offer');
      return timeLimit.spend(stream.remote.peer, () => {
        const admission = admit(this.#components, frame, stream.remote);
        const Kind = kindOf(admission);
        return { admission, run: new Kind(this.#components, admission, stream, this.#init) };
      });
    } catch (error) {
      const refused = payouts === null ? null : payableOffer(frame, stream.remote);
      if (refused !== null) payouts?.decline(refused);
      throw error;
    }
  }

  /** Waits for the payment of an admitted offer; null if the offer names none. */
  #paymentOf({ jobId, offer, prompt }: Admission): ((signal: AbortSignal) => Promise<PaidJob>) | null {
    const { payouts } = this.#components;
    if (offer.payment.pay === payFrom.nothing) return null;
    if (payouts === null) throw new OfferRefusal('bad-offer', 'this provider takes no payment');
    const order = { jobId, offer, promptCount: prompt.tokens.length };
    return (signal) => payouts.secure(order, { signal });
  }

  #ended(run: JobRun): void {
    this.#running.delete(run);
    if (this.#running.size === 0) this.#idle();
  }

  /** Takes acknowledgements until the client sends a frame that belongs after the final head, or closes its side. */
  async #listen(stream: FrameStream, run: JobRun, signal: AbortSignal): Promise<AfterFrame | null> {
    for (;;) {
      const frame = await stream.read(['ack', 'challenge', 'verdict'], { signal });
      if (frame === null) return null;
      if (frame.t === 'ack') await run.acknowledge({ body: frame.body, sig: frame.sig });
      else if (!run.finished)
        throw new QvacError(
          'E_BAD_PEER',
          `a ${frame.t} before the final head, or before its acknowledgement in a score job`,
        );
      else return frame;
    }
  }
}

function kindOf({ offer, settings }: Admission): typeof AnswerRun | typeof ScoreRun | typeof EmbedRun {
  if (settings.embed !== undefined) return EmbedRun;
  return offer.mode === modes.score ? ScoreRun : AnswerRun;
}
