import { equalBytes, fromUtf8 } from '../../../../lib/bytes.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../../../proofs/receipt.ts';
import type { Received } from '../../../../proofs/received.ts';
import { verifyBody } from '../../../../proofs/signing.ts';
import { MalformedError } from '../../../../protocol/codec.ts';
import { jobIdHex } from '../../../../protocol/digests.ts';
import { kinds, type Signed, type Verdict } from '../../../../protocol/messages.ts';
import { decodeVerdict } from '../../../../protocol/validate.ts';
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
  try {
    const verdict = decodeVerdict(signed.body);
    const isOwn =
      equalBytes(verdict.verifier, publicKey) &&
      jobIdHex(verdict.jobId) === jobId &&
      final !== null &&
      equalBytes(verdict.root, final.root);
    return isOwn && verifyBody(publicKey, kinds.verdict, jobId, signed) ? { verdict, signed } : null;
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
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
