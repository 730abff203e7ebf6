import { fromHex } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { type SigningKey, signBody } from '../../src/proofs/signing.ts';
import { type Ack, type AckStop, ackStop, kinds, type Signed } from '../../src/protocol/messages.ts';
import { encodeAck } from '../../src/protocol/validate.ts';

/** What an acknowledgement outside a channel says. */
export interface AckWords {
  /** For which it is signed. */
  readonly jobId: JobId;
  readonly n: number;
  /** @default go on */
  readonly stop?: AckStop;
}

/** A signed acknowledgement, apart from `change`. */
export function signAck(
  key: SigningKey,
  { jobId, n, stop = ackStop.goOn }: AckWords,
  change: Partial<Ack> = {},
): Signed {
  const totals = { account: new Uint8Array(32), committedLamports: 0n, releasedLamports: 0n };
  const body = encodeAck({ version: 1, jobId: fromHex(jobId), n, stop, ...totals, ...change });
  return signBody(key, kinds.ack, jobId, body);
}
