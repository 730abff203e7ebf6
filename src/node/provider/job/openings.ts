import { messageOf, QvacError } from '../../../errors.ts';
import { equalBytes, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId, PeerIdString } from '../../../lib/types.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import { verdictBy } from '../../../proofs/verdict.ts';
import { channelReleaseS } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import type { FrameOf } from '../../../protocol/frames.ts';
import { payFrom, type Signed, type Verdict } from '../../../protocol/messages.ts';
import type { FrameStream } from '../../streams/streams.ts';
import type { ProviderEvent } from '../events.ts';
import { OfferRefusal } from '../refusal.ts';
import type { FinishedJob, JobRun } from './job-run.ts';
import type { KeptFiles, KeptOpening } from './kept-files.ts';
import { isKept, isOpened, type KeptJob, type KeptJobs, keptJobOf } from './kept-jobs.ts';
import { openableAgain } from './openable.ts';

/** The frames that a client may send after the final head; a `cancel` may have crossed it. */
export type AfterFrame = FrameOf<'challenge'> | FrameOf<'verdict'>;

/** How long to wait for a verdict in mode `none` or after a late challenge, in ms. */
const verdictWaitMs = 60_000;

/** Stores the receipts of finished jobs. */
export interface ReceiptSink {
  /** Stores a receipt; a later one of the same job replaces it. */
  save(receipt: Receipt): Promise<unknown>;
  /** One that an earlier process stored. @throws if there is none */
  get(id: JobId): Promise<{ readonly receipt: Receipt }>;
}

export interface OpeningsComponents {
  readonly kept: KeptJobs;
  readonly keptFiles: KeptFiles;
  readonly receipts: ReceiptSink;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OpeningsInit {
  /** How long a finished job is kept for its challenge, in ms (section 4.3). */
  readonly keepMs: number;
  readonly onEvent: (event: ProviderEvent) => void;
}

/** A job that has sent its final head, on its own stream. */
export interface Concluding {
  readonly stream: FrameStream;
  readonly run: JobRun;
  /** The client's first frame after the final head; null once it closes its side. */
  readonly first: Promise<AfterFrame | null>;
  /** Aborted when no challenge comes in time. */
  readonly end: AbortController;
}

/** What follows a final head: keeps the job, answers its challenge, takes the client's verdict, stores the receipt. */
export class Openings {
  readonly #components: OpeningsComponents;
  readonly #init: OpeningsInit;
  readonly #keptOf = new WeakMap<FinishedJob, KeptJob>();

  constructor(components: OpeningsComponents, init: OpeningsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** True if no further job can be kept: then no new job may be admitted. */
  get full(): boolean {
    return this.#components.kept.full;
  }

  /**
   * Keeps what an opening needs, and stores the receipt; to be called before the final head is sent. For a paid job
   * both are on disk when it resolves, if the disk takes them: a later process opens it then, and its silence costs no
   * stake. Never rejects.
   */
  async keep(finished: FinishedJob): Promise<void> {
    const job = keptJobOf(finished, this.#components.clock.now() + this.#keepMs(finished));
    this.#keptOf.set(finished, job);
    // Until `conclude` ends.
    job.holds++;
    const writes = [isKept(finished) ? this.#note(job, finished) : null, this.#save(job)];
    // A slow disk must not delay a free answer.
    if (job.paid !== null) await Promise.all(writes);
  }

  /**
   * Answers the challenge of a kept job.
   * @throws OfferRefusal to be sent to the client; QvacError E_BAD_PEER, E_TIMEOUT
   */
  async conclude(finished: FinishedJob, { stream, run, first, end }: Concluding): Promise<void> {
    const job = this.#keptOf.get(finished);
    if (job === undefined) throw new Error('a job must be kept before it is concluded');
    const late = (): void => end.abort(new QvacError('E_TIMEOUT', 'no challenge came in time'));
    const timer = setTimeout(late, this.#keepMs(finished));
    timer.unref();
    try {
      await this.#converse(stream, job, run, await first, end.signal);
    } finally {
      job.holds--;
      clearTimeout(timer);
    }
  }

  #keepMs(finished: FinishedJob): number {
    return isOpened(finished) ? this.#init.keepMs : verdictWaitMs;
  }

  async #note(job: KeptJob, finished: FinishedJob): Promise<void> {
    const { kept, keptFiles } = this.#components;
    kept.add(job);
    job.holds++;
    const isOnDisk = await keptFiles.write(keptOpeningOf(job, finished), () => finished.transcript.keptSteps(0));
    if (isOnDisk) job.holds--;
  }

  /** Answers a challenge that is the first frame of a new stream (section 4.3). Errors as of `conclude`. */
  async answerLate(stream: FrameStream, challenge: FrameOf<'challenge'>): Promise<void> {
    const job = await this.#find(stream.remote.publicKey, sha256(challenge.secret));
    if (job === null) throw new OfferRefusal('gone', 'no kept job has this secret');
    job.holds++;
    try {
      await this.#converse(stream, job, null, challenge, patience(verdictWaitMs));
    } finally {
      job.holds--;
    }
  }

  /** A finished job from memory or, with what was kept of it on disk, even by an earlier process, from there. */
  async #find(client: Uint8Array, commit: Uint8Array): Promise<KeptJob | null> {
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
      holds: 0,
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
    const verdict = verdictBy(job.client, job, signed);
    if (verdict === null) throw new QvacError('E_BAD_PEER', 'the verdict is not the client’s own on this job');
    job.receipt = { ...job.receipt, verdicts: [signed] };
    job.paid?.verdict(verdict.result);
    return verdict;
  }

  /** Never rejects: a receipt that cannot be stored must not cost the client its opening. */
  #save(job: KeptJob): Promise<void> {
    const { receipts, logger } = this.#components;
    const { receipt } = job;
    job.holds++;
    // One after another, so that the newest receipt remains.
    job.saved = job.saved
      .then(() => receipts.save(receipt))
      .then(
        () => void job.holds--,
        (error: unknown) =>
          logger.warn('receipt not saved', {
            job: job.jobId,
            reason: messageOf(error),
          }),
      );
    return job.saved;
  }
}

/** Aborts after `ms` with E_TIMEOUT: a client that sends nothing more is not a failure of this provider. */
function patience(ms: number): AbortSignal {
  const end = new AbortController();
  setTimeout(() => end.abort(new QvacError('E_TIMEOUT', 'the client sent nothing more')), ms).unref();
  return end.signal;
}

/** After its verdict the client of a channel acknowledges once more, to release the price. */
async function takeRelease(stream: FrameStream, run: JobRun): Promise<void> {
  run.verdict();
  const signal = patience(channelReleaseS * 1_000);
  for (;;) {
    const frame = await stream.read(['ack'], { signal });
    if (frame === null) return;
    await run.acknowledge({ body: frame.body, sig: frame.sig });
  }
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
