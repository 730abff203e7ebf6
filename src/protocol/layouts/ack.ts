import { type AckStop, ackStop } from '../codes.ts';
import { MalformedError } from '../encoding/malformed-error.ts';
import { BodyReader, BodyWriter, isZero } from './body.ts';

/** Section 4: how many tokens a client has received, and in a channel its totals. */
export interface Ack {
  readonly version: 1;
  /** Zeros where `stop` is `noObjection`. */
  readonly jobId: Uint8Array;
  /** Tokens received. */
  readonly n: number;
  readonly stop: AckStop;
  /** The channel's id; zeros outside a channel. */
  readonly account: Uint8Array;
  readonly committedLamports: bigint;
  readonly releasedLamports: bigint;
}

/** Section 4's body of an acknowledgement, 86 bytes. @throws MalformedError for a field out of range */
export function encodeAck(ack: Ack): Uint8Array {
  checkAck(ack);
  return new BodyWriter('ack', 86)
    .u8(1)
    .digest(ack.jobId)
    .u32(ack.n)
    .u8(ack.stop)
    .digest(ack.account)
    .u64(ack.committedLamports)
    .u64(ack.releasedLamports)
    .body();
}

/** @throws MalformedError naming the field for a body of another length or with a value out of range */
export function decodeAck(body: Uint8Array): Ack {
  const reader = new BodyReader('ack', body);
  const version = reader.u8();
  if (version !== 1) throw new MalformedError(`ack: version expected 1, got ${version}`);
  const ack: Ack = {
    version,
    jobId: reader.digest(),
    n: reader.u32(),
    stop: reader.u8() as AckStop,
    account: reader.digest(),
    committedLamports: reader.u64(),
    releasedLamports: reader.u64(),
  };
  reader.end();
  checkAck(ack);
  return ack;
}

function checkAck({ jobId, n, stop, account, committedLamports, releasedLamports }: Ack): void {
  if (!Object.values(ackStop).includes(stop)) throw new MalformedError(`ack: stop expected 0 to 2, got ${stop}`);
  const hasChannel = !isZero(account);
  if (!hasChannel && (committedLamports !== 0n || releasedLamports !== 0n))
    throw new MalformedError('ack: totals outside a channel');
  if (releasedLamports > committedLamports)
    throw new MalformedError(`ack: released ${releasedLamports} above committed ${committedLamports}`);
  if (stop === ackStop.noObjection && (!isZero(jobId) || n !== 0 || !hasChannel))
    throw new MalformedError('ack: stop 2 expected zeros for jobId and n, and a channel');
}
