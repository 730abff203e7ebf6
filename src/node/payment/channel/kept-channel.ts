import * as v from 'valibot';
import { toHex } from '../../../lib/bytes.ts';
import type { JsonForm } from '../../../lib/json-file.ts';
import type { Logger } from '../../../lib/log.ts';
import type { ChannelId, JobId } from '../../../lib/types.ts';
import type { Signed } from '../../../protocol/messages.ts';
import { decodeChannelTerms } from '../../../protocol/validate.ts';
import { createJournal, type Journal } from '../../home/journal.ts';
import { hex, lamports, natural } from '../../home/kept-values.ts';
import { expiryMarginMs } from './constants.ts';

/** An answer that is committed in a channel and not released. */
export interface KeptJob {
  readonly jobId: JobId;
  readonly committedLamports: bigint;
  /** Digest of the verdict with which it failed, 32 bytes: it is never released. Null: its checks have not ended. */
  readonly failed: Uint8Array | null;
  /** The provider did not open it, and is challenged on the chain. */
  readonly isChallenged: boolean;
}

/** What a client keeps of a channel beside its account on the chain. */
export interface KeptChannel {
  /** CAIP-2 */
  readonly chain: string;
  /** As the provider signed them. */
  readonly terms: Signed;
  /** Multiaddrs of the provider: a process that was killed has told the home's list of peers nothing. */
  readonly addrs: readonly string[];
  /** The person opened it by command, and closes it by command; else it ends with the process that opened it. */
  readonly isKept: boolean;
  /** `opening`: perhaps not on the chain. `closing`: takes no further answer. */
  readonly phase: 'opening' | 'open' | 'closing';
  /** Since when it is being closed, unix ms; 0 before. */
  readonly closingAt: number;
  readonly releasedLamports: bigint;
  /** Answers that were paid from it and passed. */
  readonly answers: number;
  readonly jobs: readonly KeptJob[];
  /** The last answer that was released, if its provider may not know; null: it does. */
  readonly untold: JobId | null;
  /** The chain keeps evidence of an answer, which holds rent until the channel has ended. */
  readonly hasEvidence: boolean;
  /** What the network took of this wallet so far, lamports. */
  readonly fees: bigint;
}

const jobId = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/),
  v.transform((text) => text as JobId),
);

const form = v.object({
  version: v.literal(1),
  chain: v.string(),
  terms: v.object({ body: hex(241), sig: hex(64) }),
  addrs: v.array(v.string()),
  isKept: v.boolean(),
  phase: v.picklist(['opening', 'open', 'closing']),
  closingAt: natural,
  releasedLamports: lamports,
  answers: natural,
  untold: v.nullable(jobId),
  jobs: v.array(
    v.object({
      jobId,
      committedLamports: lamports,
      failed: v.nullable(hex(32)),
      isChallenged: v.boolean(),
    }),
  ),
  hasEvidence: v.boolean(),
  fees: lamports,
});

const keptChannelForm: JsonForm<KeptChannel> = {
  toJson({ terms, releasedLamports, jobs, fees, ...kept }) {
    return {
      version: 1,
      ...kept,
      terms: { body: toHex(terms.body), sig: toHex(terms.sig) },
      releasedLamports: releasedLamports.toString(),
      jobs: jobs.map(({ jobId, committedLamports, failed, isChallenged }) => ({
        jobId,
        isChallenged,
        committedLamports: committedLamports.toString(),
        failed: failed && toHex(failed),
      })),
      fees: fees.toString(),
    };
  },
  parse(value) {
    const { success, output } = v.safeParse(form, value);
    if (!success) return null;
    const { version: _version, ...kept } = output;
    return kept;
  },
};

/** The channels of a home that have not ended. @param dir their folder */
export function openKeptChannels(dir: string, logger: Logger): Journal<KeptChannel, ChannelId> {
  // An answer waits for the disk at each of its acknowledgements.
  return createJournal<KeptChannel, ChannelId>(dir, keptChannelForm, logger, { format: 'slots' });
}

/**
 * Whether it needs care of a process that does not hold it: it is being closed, its process has ended, or it expires.
 * @param now unix ms
 */
export function isLeft({ phase, isKept, terms }: KeptChannel, now: number): boolean {
  const { expiresAt } = decodeChannelTerms(terms.body);
  return phase !== 'open' || !isKept || now >= Number(expiresAt) * 1_000 - expiryMarginMs;
}

/** The totals that a client has signed at most. */
export function totalsOf({ releasedLamports, jobs }: Pick<KeptChannel, 'releasedLamports' | 'jobs'>) {
  const open = jobs.reduce((sum, { committedLamports }) => sum + committedLamports, 0n);
  return { committedLamports: releasedLamports + open, releasedLamports };
}
