import { equalBytes } from '../../lib/bytes.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import { isSameList } from '../../proofs/checks/same-list.ts';
import { decodeReceipt, type Receipt } from '../../proofs/receipt.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { maxAnswerParts } from '../../protocol/constants.ts';
import type { Offer } from '../../protocol/messages.ts';

/** A job of an answer that several providers wrote, one after another (section 4.6). */
export interface ReceiptPart {
  readonly id: JobId;
  readonly receipt: Receipt;
  readonly provider: PeerIdString;
  /** Tokens of the answer before it, and how many the answer has of it. */
  readonly start: number;
  readonly tokens: number;
}

export interface EarlierReceipts {
  /** Those that were found, the first job first. */
  readonly parts: readonly ReceiptPart[];
  /** The job before the first of them, whose receipt is not here or is of another answer; null if none is missing. */
  readonly missing: JobId | null;
  /** Tokens of the answer before the first of them. */
  readonly missingTokens: number;
}

/**
 * The receipts of the jobs that `last` continues. Nobody signs `previous`: a receipt counts only if it is of the same
 * answer.
 * @param find the receipt of a job; null if it is not here
 * @throws MalformedError if `last` is malformed
 */
export async function earlierReceipts(
  last: Receipt,
  find: (id: JobId) => Promise<Receipt | null>,
): Promise<EarlierReceipts> {
  const parts: ReceiptPart[] = [];
  let later = last;
  let { start } = decodeReceipt(last).offer;
  for (let id = last.previous; id !== null; id = later.previous) {
    const receipt = parts.length < maxAnswerParts && start > 0 ? await find(id) : null;
    const part = receipt === null ? null : partBefore(later, receipt);
    if (part === null || part.id !== id) return { parts, missing: id, missingTokens: start };
    parts.unshift(part);
    later = part.receipt;
    start = part.start;
  }
  return { parts, missing: null, missingTokens: start };
}

/** `earlier` as the part before `later`; null if it is of another answer. */
function partBefore(later: Receipt, earlier: Receipt): ReceiptPart | null {
  try {
    const [after, before] = [decodeReceipt(later), decodeReceipt(earlier)];
    const { start } = before.offer;
    const all = [...continuationOf(earlier, start), ...earlier.tokens];
    const continued = continuationOf(later, after.offer.start);
    // A head covers fewer tokens than arrived, or more than the next job goes on from.
    const common = Math.min(all.length, continued.length);
    const isSame =
      isSameQuestion(before.offer, after.offer) &&
      start < after.offer.start &&
      isSameList(all.slice(0, common), continued.slice(0, common));
    if (!isSame) return null;
    const provider = peerIdOf(before.offer.provider);
    return { id: before.jobId, receipt: earlier, provider, start, tokens: after.offer.start - start };
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

function continuationOf({ promptTokens }: Receipt, start: number): readonly number[] {
  return promptTokens.slice(promptTokens.length - start);
}

function isSameQuestion(one: Offer, other: Offer): boolean {
  const [a, b] = [one.sampler, other.sampler];
  return (
    equalBytes(one.modelId, other.modelId) &&
    equalBytes(one.seed, other.seed) &&
    a.temperature === b.temperature &&
    a.minP === b.minP &&
    a.topP === b.topP &&
    a.topK === b.topK &&
    one.start + a.maxTokens === other.start + b.maxTokens
  );
}
