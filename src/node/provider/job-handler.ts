import { messageOf, ownWordsOf, QvacError, toError } from '../../errors.ts';
import { equalBytes, toHex } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { signBody, verifyBody } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { channelReleaseS } from '../../protocol/constants.ts';
import { jobIdHex, sha256 } from '../../protocol/digests.ts';
import type { FrameOf } from '../../protocol/frames.ts';
import { kinds, modeName, modes, payFrom, type Signed, type Verdict } from '../../protocol/messages.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import { type Admission, type AdmissionComponents, admit, payableOffer } from './admission/admission.ts';
import type { ProviderEvent } from './events.ts';
import { AnswerRun } from './job/answer-run.ts';
import { EmbedRun } from './job/embed-run.ts';
import type { FinishedJob, JobRun, JobRunComponents, JobRunInit } from './job/job-run.ts';
import type { KeptFiles, KeptOpening } from './job/kept-files.ts';
import type { KeptJob, KeptJobs } from './job/kept-jobs.ts';
import { openableAgain } from './job/openable.ts';
import { receiptOf } from './job/receipt-of.ts';
import { ScoreRun } from './job/score-run.ts';
import type { PaidJob, ProviderPayouts } from './payment/payouts.ts';
import { OfferRefusal } from './refusal.ts';

/** The frames that a client may send after the final head; a `cancel` may have crossed it. */
type AfterFrame = FrameOf<'challenge'> | FrameOf<'verdict'>;

/** How long to wait for a verdict in mode `none` or after a late challenge, in ms. */
const verdictWaitMs = 60_000;

/** Stores the receipts of finished jobs. */
export interface ReceiptSink {
  /** Stores a receipt; a later one of the same job replaces it. */
  save(receipt: Receipt): Promise<unknown>;
  /** One that an earlier process stored. @throws if there is none */
  get(id: JobId): Promise<{ readonly receipt: Receipt }>;
}

export interface JobHandlerComponents extends AdmissionComponents, JobRunComponents {
  readonly kept: KeptJobs;
  readonly keptFiles: KeptFiles;
  readonly receipts: ReceiptSink;
  /** Null: the provider takes no payment. */
  readonly payouts: ProviderPayouts | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JobHandlerInit extends JobRunInit {
  /** How long a client may take for its first frame, in ms. */
  readonly firstFrameMs: number;
  /** How long a finished job is kept for its challenge, in ms (section 4.3). */
  readonly keepMs: number;
  readonly onEvent: (event: ProviderEvent) => void;
}

/** The provider's side of `/qvac/job/1.0.0` and `/qvac/embed/1.0.0`. */
export class JobHandler {
  readonly #components: JobHandlerComponents;
  readonly #init: JobHandlerInit;
  readonly #running = new Set<JobRun>();
  #idle: () => void = () => undefined;

  constructor(components: JobHandlerComponents, init: JobHandlerInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Resolves when no job is running. Jobs that still run after `graceMs` are ended without a final head. */
  async drain(graceMs: number): Promise<void> {
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
    else if (first?.t === 'challenge') await this.#answerLate(stream, first);
  }

  async #serve(stream: FrameStream, frame: FrameOf<'offer'>, isEmbedding: boolean): Promise<void> {
    const { clock } = this.#components;
    const { admission, run } = this.#admit(stream, frame, isEmbedding);
    const ids = { job: admission.jobId, client: stream.remote.peer };
    const began = clock.now();
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
      const finished = await run.run(onAccept, this.#paymentOf(admission));
      this.#ended(run);
      this.#init.onEvent({
        event: 'job-finished',
        ...ids,
        tokens: finished.transcript.tokens.length,
        vectors: finished.vectors?.counts.length ?? null,
        finish: finished.final.finish,
        ms: clock.now() - began,
        ...finished.savings,
      });
      await this.#conclude(stream, run, finished, listening, end);
    } catch (error) {
      if (run.accepted && !run.finished) this.#init.onEvent({ event: 'job-failed', ...ids, reason: ownWordsOf(error) });
      throw error;
    } finally {
      end.abort();
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
    const { kept, payouts } = this.#components;
    try {
      if (kept.full) throw new OfferRefusal('busy', 'too many finished jobs are kept');
      if ((frame.input.template === 'embed') !== isEmbedding)
        throw new OfferRefusal('bad-offer', 'this stream is not the one for such an offer');
      const admission = admit(this.#components, frame, stream.remote);
      const Kind = kindOf(admission);
      return { admission, run: new Kind(this.#components, admission, stream, this.#init) };
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

  /** After the final head: keeps what an opening needs, stores the receipt, answers the challenge. */
  async #conclude(
    stream: FrameStream,
    run: JobRun,
    finished: FinishedJob,
    listening: Promise<AfterFrame | null>,
    end: AbortController,
  ): Promise<void> {
    const { offer } = finished.admission;
    const isOpened = offer.mode !== modes.none || finished.vectors !== undefined;
    const keepMs = !isOpened ? verdictWaitMs : this.#init.keepMs;
    const job: KeptJob = {
      jobId: finished.admission.jobId,
      client: offer.client,
      commit: offer.challenge.commit,
      root: finished.final.root,
      isScore: offer.mode === modes.score,
      keepUntil: this.#components.clock.now() + keepMs,
      transcript: isOpened ? finished.transcript : null,
      opening: null,
      receipt: receiptOf(finished),
      paid: finished.paid,
      saved: Promise.resolve(),
    };
    // Not awaited: a slow disk must not delay the opening.
    if (isOpened) {
      this.#components.kept.add(job);
      const stepsOf = (): Uint8Array => finished.transcript.keptSteps(0);
      void this.#components.keptFiles.write(keptOpeningOf(job, finished), stepsOf);
    }
    void this.#save(job);
    const timer = setTimeout(() => end.abort(new QvacError('E_TIMEOUT', 'no challenge came in time')), keepMs);
    timer.unref();
    try {
      await this.#converse(stream, job, run, await listening, end.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Answers a challenge that is the first frame of a new stream (section 4.3). */
  async #answerLate(stream: FrameStream, challenge: FrameOf<'challenge'>): Promise<void> {
    const job = await this.#findKept(stream.remote.publicKey, sha256(challenge.secret));
    if (job === null) throw new OfferRefusal('gone', 'no kept job has this secret');
    await this.#converse(stream, job, null, challenge, AbortSignal.timeout(verdictWaitMs));
  }

  /** A finished job of this process or, with what was kept of it on disk, of an earlier one. */
  async #findKept(client: Uint8Array, commit: Uint8Array): Promise<KeptJob | null> {
    const { kept, keptFiles, receipts } = this.#components;
    const known = kept.find(client, commit);
    if (known !== null) return known;
    const found = await keptFiles.read(client, commit);
    if (found === null) return null;
    const { jobId, root, isScore, keepUntil } = found.opening;
    const { receipt } = await receipts.get(jobId);
    const job: KeptJob = {
      jobId,
      client,
      commit,
      root,
      isScore,
      keepUntil,
      transcript: receipt.opening === null ? openableAgain(found, receipt) : null,
      opening: receipt.opening,
      receipt,
      paid: null,
      saved: Promise.resolve(),
    };
    kept.add(job);
    return job;
  }

  /**
   * Answers challenges until the client sends a verdict or closes its side.
   * @param run takes the last acknowledgements on the job's own stream; null on another
   */
  async #converse(
    stream: FrameStream,
    job: KeptJob,
    run: JobRun | null,
    first: AfterFrame | null,
    signal: AbortSignal,
  ): Promise<void> {
    const client = stream.remote.peer;
    let verdict: Verdict | null = null;
    try {
      let frame: AfterFrame | FrameOf<'ack'> | null = first;
      while (frame !== null && frame.t !== 'verdict') {
        if (frame.t === 'challenge')
          await stream.write({ t: 'opening', ...this.#open(job, frame.secret, client) }, { isScore: job.isScore });
        else await run?.acknowledge({ body: frame.body, sig: frame.sig });
        frame = await stream.read(run === null ? ['challenge', 'verdict'] : ['challenge', 'verdict', 'ack'], {
          signal,
        });
      }
      if (frame !== null) verdict = this.#takeVerdict(job, { body: frame.body, sig: frame.sig });
    } finally {
      await this.#save(job);
    }
    if (verdict === null) return;
    this.#init.onEvent({
      event: 'job-verdict',
      job: job.jobId,
      client,
      result: verdict.result,
      faults: verdict.faults,
    });
    if (run?.isInChannel === true) await takeRelease(stream, run);
  }

  #open(job: KeptJob, secret: Uint8Array, client: PeerIdString): Signed {
    if (!equalBytes(sha256(secret), job.commit))
      throw new QvacError('E_BAD_PEER', 'the secret does not hash to the commit');
    if (job.opening !== null) return job.opening;
    if (job.transcript === null) throw new OfferRefusal('gone', 'this job has no opening');
    const { kind, body, steps } = job.transcript.open(secret);
    const signed = signBody(this.#components.key, kind, job.jobId, body);
    // A job has one opening only, so the transcript is no longer needed.
    job.opening = signed;
    job.transcript = null;
    job.receipt = { ...job.receipt, secret, opening: signed };
    this.#init.onEvent({ event: 'job-opened', job: job.jobId, client, steps });
    return signed;
  }

  /** @throws QvacError E_BAD_PEER if the verdict is not the client's own on this job */
  #takeVerdict(job: KeptJob, signed: Signed): Verdict {
    const verdict = decodeVerdictOf(job, signed);
    job.receipt = { ...job.receipt, verdicts: [signed] };
    job.paid?.verdict(verdict.result);
    return verdict;
  }

  /** Never rejects: a receipt that cannot be stored must not cost the client its opening. */
  #save(job: KeptJob): Promise<void> {
    const { receipts, logger } = this.#components;
    const { receipt } = job;
    // One after another, so that the newest receipt remains.
    job.saved = job.saved
      .then(() => receipts.save(receipt))
      .then(
        () => undefined,
        (error: unknown) =>
          logger.warn('receipt not saved', {
            job: job.jobId,
            reason: messageOf(error),
          }),
      );
    return job.saved;
  }
}

/** After its verdict the client of a channel acknowledges once more, to release the price. */
async function takeRelease(stream: FrameStream, run: JobRun): Promise<void> {
  run.verdict();
  const signal = AbortSignal.timeout(channelReleaseS * 1_000);
  for (;;) {
    const frame = await stream.read(['ack'], { signal });
    if (frame === null) return;
    await run.acknowledge({ body: frame.body, sig: frame.sig });
  }
}

function kindOf({ offer, settings }: Admission): typeof AnswerRun | typeof ScoreRun | typeof EmbedRun {
  if (settings.embed !== undefined) return EmbedRun;
  return offer.mode === modes.score ? ScoreRun : AnswerRun;
}

function keptOpeningOf(
  { jobId, client, commit, root, isScore, keepUntil }: KeptJob,
  { admission, final, vectors }: FinishedJob,
): KeptOpening {
  const { challenge, payment } = admission.offer;
  const paidWith = { [payFrom.nothing]: null, [payFrom.jobAccount]: jobId, [payFrom.channel]: toHex(payment.account) };
  const paidBy = paidWith[payment.pay];
  return {
    ...{ jobId, client, commit, root, isScore, keepUntil },
    // No chain asks for vectors, so no payment keeps what opens them.
    ...{ n: final.n, count: challenge.count, payment: vectors === undefined ? paidBy : null },
  };
}

function decodeVerdictOf(job: KeptJob, signed: Signed): Verdict {
  try {
    const verdict = decodeVerdict(signed.body);
    const own =
      equalBytes(verdict.verifier, job.client) &&
      equalBytes(verdict.root, job.root) &&
      jobIdHex(verdict.jobId) === job.jobId;
    if (own && verifyBody(job.client, kinds.verdict, job.jobId, signed)) return verdict;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  throw new QvacError('E_BAD_PEER', 'the verdict is not the client’s own on this job');
}
