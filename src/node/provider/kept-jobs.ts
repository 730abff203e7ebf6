import { toHex } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import type { JobId } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { Transcript } from '../../proofs/transcript.ts';
import type { Signed } from '../../protocol/messages.ts';

/** A finished job that may still be challenged. */
export interface KeptJob {
  readonly jobId: JobId;
  /** Raw key of the client, the only one that may challenge it. */
  readonly client: Uint8Array;
  /** SHA of the secret, by which a challenge on a new stream names it (section 4.3). */
  readonly commit: Uint8Array;
  /** That of the final head. */
  readonly root: Uint8Array;
  /** Unix milliseconds. */
  readonly keepUntil: number;
  /** What an opening is made from; null once it was made, as there is only one. */
  transcript: Transcript | null;
  opening: Signed | null;
  receipt: Receipt;
}

/** Jobs kept until their challenges are too late. */
export interface KeptJobs {
  /** Whether one more can be kept; if not, no more jobs may be taken. */
  readonly full: boolean;
  add(job: KeptJob): void;
  find(client: Uint8Array, commit: Uint8Array): KeptJob | null;
}

export interface KeptJobsInit {
  /** Steps kept at the same time, about 1 KiB each. @default 262_144 */
  readonly maxSteps?: number | undefined;
}

export function createKeptJobs({ clock }: { readonly clock: Clock }, { maxSteps = 262_144 }: KeptJobsInit = {}): KeptJobs {
  const jobs = new Map<string, KeptJob>();

  function forgetExpired(): void {
    const now = clock.now();
    for (const [key, job] of jobs) if (job.keepUntil <= now) jobs.delete(key);
  }

  // An opened job costs little more than its tokens.
  const weightOf = (job: KeptJob): number => (job.transcript === null ? 16 : 16 + job.transcript.n);

  return {
    get full() {
      forgetExpired();
      let steps = 0;
      for (const job of jobs.values()) steps += weightOf(job);
      return steps >= maxSteps;
    },
    add(job) {
      forgetExpired();
      jobs.set(keyOf(job.client, job.commit), job);
    },
    find(client, commit) {
      forgetExpired();
      return jobs.get(keyOf(client, commit)) ?? null;
    },
  };
}

function keyOf(client: Uint8Array, commit: Uint8Array): string {
  return `${toHex(client)}:${toHex(commit)}`;
}
