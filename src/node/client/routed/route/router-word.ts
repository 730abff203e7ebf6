import { fromUtf8 } from '../../../../lib/bytes.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../../../proofs/receipt.ts';
import type { Received } from '../../../../proofs/received.ts';
import { verdictBy } from '../../../../proofs/verdict.ts';
import { MalformedError } from '../../../../protocol/codec.ts';
import type { Signed, Verdict } from '../../../../protocol/messages.ts';
import type { FrameStream } from '../../../streams/streams.ts';

export interface SignedVerdict {
  readonly verdict: Verdict;
  readonly signed: Signed;
}

/**
 * The verdict in `signed`, if the remote peer made it about the received answer; else null (section 4.0).
 */
export function ownVerdict(
  signed: Signed,
  { publicKey }: FrameStream['remote'],
  { jobId, final }: Received,
): SignedVerdict | null {
  const verdict = final === null ? null : verdictBy(publicKey, { jobId, root: final.root }, signed);
  return verdict && { verdict, signed };
}

/**
 * Whether a receipt matches what was received, apart from verdicts, settlement, the order of heads, and the router's
 * own acknowledgement, which it shows only if it stopped the answer (section 4.0).
 */
export function isSameReceipt(bytes: Uint8Array, received: Received): boolean {
  try {
    return comparable(parseReceipt(fromUtf8(bytes))) === comparable(received.receipt([]));
  } catch (error) {
    if (error instanceof MalformedError || error instanceof TypeError) return false;
    throw error;
  }
}

function comparable(receipt: Receipt): string {
  const [final, ...others] = receipt.heads;
  const order = ({ body }: Signed): string => Buffer.from(body).toString('hex');
  return serialiseReceipt({
    ...receipt,
    verdicts: [],
    settlement: null,
    ack: null,
    heads: [...(final === undefined ? [] : [final]), ...others.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))],
  });
}
