import { QvacError, toError } from '../../../errors.ts';
import { monotonicMs } from '../../../lib/clock.ts';
import { shortPeer } from '../../../lib/names.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { finish, type Head } from '../../../protocol/messages.ts';
import type { Job, RawAnswerFrame } from '../../job/job.ts';
import { Redrawn, type Shown } from '../../job/redrawn.ts';
import type { Experience } from '../../selection/experience.ts';
import { experienceOf } from '../../selection/learning.ts';
import type { ClientStream } from '../client-stream.ts';
import { patienceMs } from '../constants.ts';

/** The whole answer arrived. */
export interface FinalEnd {
  readonly kind: 'final';
  readonly head: Head;
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

/** How one provider's attempt at a question ended. */
export type AttemptEnd =
  | FinalEnd
  /** Before a new token was passed on: another provider may be asked. */
  | { readonly kind: 'left'; readonly experience: Experience | null; readonly error: Error }
  /** After a new token was passed on: another provider may continue the answer. */
  | { readonly kind: 'broken'; readonly experience: Experience; readonly error: Error }
  | { readonly kind: 'bad-input'; readonly error: Error }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'timeout'; readonly experience: Experience | null };

export interface AttemptInit {
  readonly job: Job;
  /** What the client already has of the tokens behind the job's continuation. */
  readonly shown: Shown;
  readonly clientStream: ClientStream;
  /** Aborts when the time for the final head is over, or the router stops. */
  readonly deadline: AbortSignal;
  /** How long a provider may take to send its first token before another one is asked, ms. */
  readonly firstTokenMs: number;
}

/** Passes one provider's answer on, frame by frame. Reads the next frame once the client has taken the last one. */
export class Attempt {
  readonly #job: Job;
  readonly #clientStream: ClientStream;
  readonly #deadline: AbortSignal;
  readonly #firstTokenMs: number;
  readonly #shown: Shown;
  readonly #redrawn: Redrawn;
  readonly #startedAt: number;
  #accepted = false;
  #firstTokenAt: number | null = null;
  #cancelling: Promise<void> | null = null;
  #faulty: RawAnswerFrame | null = null;
  /** True once this provider was given up: the client receives none of its later frames. */
  #abandoned = false;
  readonly #left = Promise.withResolvers<AttemptEnd>();

  constructor(init: AttemptInit) {
    this.#job = init.job;
    this.#clientStream = init.clientStream;
    this.#deadline = init.deadline;
    this.#firstTokenMs = init.firstTokenMs;
    this.#shown = init.shown;
    this.#redrawn = new Redrawn(init.job.provider, init.shown);
    this.#startedAt = monotonicMs();
  }

  async run(): Promise<AttemptEnd> {
    const onStop = (): void => this.#stop();
    const onDeadline = (): void => this.#job.abort(new QvacError('E_TIMEOUT', 'the question timed out'));
    const patience = setTimeout(() => this.#leave(), this.#firstTokenMs);
    this.#clientStream.stopped.addEventListener('abort', onStop);
    this.#deadline.addEventListener('abort', onDeadline);
    try {
      if (this.#deadline.aborted) onDeadline();
      if (this.#clientStream.stopped.aborted) this.#stop();
      return await Promise.race([this.#passAll(), this.#left.promise]);
    } finally {
      clearTimeout(patience);
      this.#clientStream.stopped.removeEventListener('abort', onStop);
      this.#deadline.removeEventListener('abort', onDeadline);
    }
  }

  async #passAll(): Promise<AttemptEnd> {
    try {
      for await (const raw of this.#job.rawFrames()) if (!this.#abandoned) await this.#pass(raw);
      return this.#finish();
    } catch (error) {
      return await this.#fail(toError(error));
    } finally {
      if (this.#abandoned) await this.#job.close();
    }
  }

  async #pass(raw: RawAnswerFrame): Promise<void> {
    const { frame, bytes } = raw;
    if (frame.t === 'accept') {
      if (this.#clientStream.stopped.aborted) throw new QvacError('E_INTERRUPTED', 'stopped before the accept');
      this.#accepted = true;
    }
    if (frame.t === 'tokens') {
      this.#redrawn.take(frame);
      if (frame.tokens.length > 0) this.#firstTokenAt ??= monotonicMs();
    }
    const final = frame.t === 'head' ? this.#job.received.final : null;
    if (final?.finish === finish.cancelled && this.#cancelling === null) {
      this.#faulty = raw;
      throw new FaultError('bad-length', 'a final head for a cancel that was not sent');
    }
    if (final?.finish === finish.brokenOff && !this.#hasShown)
      throw new QvacError('E_TRUNCATED', 'the provider broke off before a new token');
    this.#deadline.throwIfAborted();
    if (final !== null && final.finish !== finish.brokenOff) {
      // The client must receive the cancel before the final head that answers it.
      if (this.#cancelling !== null) await this.#cancelling;
      this.#clientStream.expectChallenge();
    }
    await this.#clientStream.forward(bytes, { signal: this.#deadline });
  }

  #finish(): AttemptEnd {
    const head = this.#job.received.final;
    if (head === null) throw new QvacError('E_TRUNCATED', 'the provider sent no final head');
    if (head.finish === finish.brokenOff)
      return { kind: 'broken', experience: { kind: 'aborted' }, error: truncated(this.#job) };
    const now = monotonicMs();
    return {
      kind: 'final',
      head,
      firstTokenMs: Math.round((this.#firstTokenAt ?? now) - this.#startedAt),
      totalMs: Math.round(now - this.#startedAt),
    };
  }

  async #fail(error: Error): Promise<AttemptEnd> {
    if (this.#abandoned) {
      // The client has another provider's answer by now, which this one's faults do not concern.
      this.#job.abort(error);
      return { kind: 'left', experience: null, error };
    }
    if (this.#deadline.aborted) return this.#timedOut();
    if (this.#clientStream.stopped.aborted && !this.#accepted) {
      this.#job.abort(error);
      return { kind: 'stopped' };
    }
    if (error instanceof QvacError && error.code === 'E_BAD_INPUT' && !this.#begun) {
      await this.#job.close();
      return { kind: 'bad-input', error };
    }
    const experience = experienceOf(error);
    if (this.#hasShown || (this.#begun && error instanceof FaultError) || this.#cancelling !== null) {
      // The client receives the evidence of the fault, so that it need not trust the router.
      const faulty = this.#faulty ?? this.#job.faulty;
      if (faulty !== null) await this.#clientStream.forward(faulty.bytes, { signal: this.#deadline });
      this.#job.abort(error);
      return { kind: 'broken', experience, error };
    }
    this.#job.abort(error);
    // Another class may draw otherwise what was shown already.
    return { kind: 'left', experience: this.#redrawn.isOther ? null : experience, error };
  }

  #timedOut(): AttemptEnd {
    const patient = monotonicMs() - this.#startedAt >= patienceMs;
    // It is alive, since it sent heartbeats: slow is not broken.
    return { kind: 'timeout', experience: patient && !this.#begun ? { kind: 'busy' } : null };
  }

  get #begun(): boolean {
    return this.#firstTokenAt !== null;
  }

  /** Whether a token was passed on that the client did not have. */
  get #hasShown(): boolean {
    return this.#job.received.n > this.#shown.tokens.length && !this.#redrawn.isOther;
  }

  #stop(): void {
    if (this.#accepted) this.#cancelling ??= this.#cancel();
    else this.#job.abort(new QvacError('E_INTERRUPTED', 'stopped before the accept'));
  }

  async #cancel(): Promise<void> {
    try {
      const signed = await this.#job.cancel();
      if (signed !== null) await this.#clientStream.send({ t: 'ack', body: signed.body, sig: signed.sig });
    } catch (error) {
      this.#job.abort(toError(error));
    }
  }

  /**
   * Gives up a provider that is alive but sends no token: cancels with n 0 if it had accepted (section 4.0), and does
   * not wait for it.
   */
  #leave(): void {
    if (this.#begun || this.#cancelling !== null || this.#clientStream.stopped.aborted) return;
    const error = new QvacError('E_TIMEOUT', `the provider gave no token within ${this.#firstTokenMs} ms`);
    this.#abandoned = true;
    if (this.#accepted)
      this.#job.cancel().catch((reason: unknown) => this.#job.abort(reason instanceof Error ? reason : error));
    else this.#job.abort(error);
    this.#left.resolve({ kind: 'left', experience: { kind: 'busy' }, error });
  }
}

function truncated({ provider, received }: Job): QvacError {
  return new QvacError('E_TRUNCATED', `${shortPeer(provider)} broke off after ${received.n} tokens`);
}
