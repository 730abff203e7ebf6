import { toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { JobId } from '../../../lib/types.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { promptTokenBound } from '../../../protocol/input/prompt-bound.ts';
import { modes, payFrom, type Signed } from '../../../protocol/messages.ts';
import { decodeAck } from '../../../protocol/validate.ts';
import type { PaidJob } from '../payment/payouts.ts';
import type { FinishedJob } from './job-run.ts';
import type { Openable } from './openable.ts';
import { receiptOf } from './receipt-of.ts';

/** A finished job that may still be challenged. */
export interface KeptJob {
  readonly jobId: JobId;
  /** Raw key of the client, the only one that may challenge it. */
  readonly client: Uint8Array;
  /** SHA-256 of the secret; identifies the job of a challenge on a new stream (section 4.3). */
  readonly commit: Uint8Array;
  /** The root of the final head. */
  readonly root: Uint8Array;
  /** A score job: its opening may be larger (section 4.7). */
  readonly isScore: boolean;
  /** Unix milliseconds. */
  readonly keepUntil: number;
  /** The source of the opening; null once the opening, of which there is one, was made. */
  transcript: Openable | null;
  opening: Signed | null;
  receipt: Receipt;
  /** Hears the client's verdict; null: the job is free. */
  readonly paid: Pick<PaidJob, 'verdict'> | null;
  /** Resolves when the last write of the receipt has ended, even if it failed. */
  saved: Promise<void>;
  /** Streams that use it, and writes that have not succeeded. */
  holds: number;
}

/** @param keepUntil unix milliseconds */
export function keptJobOf(finished: FinishedJob, keepUntil: number): KeptJob {
  const { admission, final, transcript, paid } = finished;
  const { mode, client, challenge } = admission.offer;
  return {
    jobId: admission.jobId,
    client,
    commit: challenge.commit,
    root: final.root,
    isScore: mode === modes.score,
    keepUntil,
    transcript: isOpened(finished) ? transcript : null,
    opening: null,
    receipt: receiptOf(finished),
    paid,
    saved: Promise.resolve(),
    holds: 0,
  };
}

/** Whether the client may have it opened: vectors are, though no chain may ask for them (section 4.9). */
export function isOpened({ admission, vectors }: FinishedJob): boolean {
  return admission.offer.mode !== modes.none || vectors !== undefined;
}

/**
 * Whether it may be challenged on another stream than its own. A paid score opens nothing before its head is
 * acknowledged (section 4.7), and only its own stream can say so.
 */
export function isKept(finished: FinishedJob): boolean {
  const { admission, final, ack } = finished;
  const { mode, payment } = admission.offer;
  const isPaidScore = mode === modes.score && payment.pay !== payFrom.nothing;
  return isOpened(finished) && (!isPaidScore || (ack !== null && decodeAck(ack.body).n === final.n));
}

/** Finished jobs, kept in memory while they may be challenged, or while there is room if files hold them, too. */
export interface KeptJobs {
  /** True if no further job can be kept: then no new job may be admitted. Forgets the oldest that files hold first. */
  readonly full: boolean;
  add(job: KeptJob): void;
  find(client: Uint8Array, commit: Uint8Array): KeptJob | null;
}

export interface KeptJobsInit {
  /** Approximate memory limit of the kept jobs, in bytes. @default 256 MiB */
  readonly maxBytes?: number | undefined;
}

export function createKeptJobs(
  { clock }: { readonly clock: Clock },
  { maxBytes = 256 << 20 }: KeptJobsInit = {},
): KeptJobs {
  const jobs = new Map<string, { readonly job: KeptJob; readonly offerBytes: number }>();

  function forgetExpired(): void {
    const now = clock.now();
    for (const [key, { job }] of jobs) if (job.keepUntil <= now) jobs.delete(key);
  }

  /** @returns whether there is room for another one */
  function makeRoom(): boolean {
    forgetExpired();
    let bytes = 0;
    for (const { job, offerBytes } of jobs.values()) bytes += offerBytes + weightOf(job);
    for (const [key, { job, offerBytes }] of jobs) {
      if (bytes < maxBytes) break;
      if (!isSpare(job)) continue;
      bytes -= offerBytes + weightOf(job);
      jobs.delete(key);
    }
    return bytes < maxBytes;
  }

  return {
    get full() {
      return !makeRoom();
    },
    add(job) {
      makeRoom();
      const { input, extra } = job.receipt;
      const offerBytes = (input === null ? 0 : promptTokenBound(input)) + extraCopies * extra.length;
      jobs.set(keyOf(job.client, job.commit), { job, offerBytes });
    },
    find(client, commit) {
      forgetExpired();
      return jobs.get(keyOf(client, commit))?.job ?? null;
    },
  };
}

/**
 * Whether its files are enough. The steps of a paid job go with its payment, which may end before the job expires, and
 * the payment hears the verdict.
 */
function isSpare({ holds, paid, opening, receipt }: KeptJob): boolean {
  return holds === 0 && (paid === null || (opening !== null && receipt.verdicts.length > 0));
}

/** Estimated bytes of an unopened step, of a token with its text, and of the rest of a job. */
const stepBytes = 512;
const tokenBytes = 24;
const jobBytes = 32 * 1024;
/** Settings are kept as received, as texts, and with an index of four bytes per character of a stop text. */
const extraCopies = 8;

/** Estimated memory of a job without its offer: once it is opened, little more than its tokens. */
function weightOf({ transcript, receipt }: KeptJob): number {
  return (
    jobBytes +
    tokenBytes * (receipt.promptTokens.length + receipt.tokens.length) +
    (receipt.vectors?.values.length ?? 0) +
    stepBytes * (transcript?.n ?? 0)
  );
}

function keyOf(client: Uint8Array, commit: Uint8Array): string {
  return `${toHex(client)}:${toHex(commit)}`;
}
