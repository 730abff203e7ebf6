import { QvacError, toError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { equalBytes, utf8 } from '../../lib/bytes.ts';
import { seconds, shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { decodeHead } from '../../proofs/head.ts';
import { type Receipt, serialiseReceipt } from '../../proofs/receipt.ts';
import { verifyBody } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { auditProtocol, peerErrorCode } from '../../protocol/constants.ts';
import { jobIdHex, jobIdOf } from '../../protocol/digests.ts';
import type { FrameOf } from '../../protocol/frames.ts';
import { kinds, type Signed, type Verdict } from '../../protocol/messages.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import type { Peer } from '../peer/peer.ts';
import type { FrameStream } from '../streams/streams.ts';

export interface AuditInit {
  readonly receipt: Receipt;
  /** Peer id or multiaddr of the auditor. It sees the prompt. */
  readonly auditor: PeerIdString | string;
  /** Longest silence, with heartbeats counting as frames, ms. @default 10_000 */
  readonly gapMs?: number | undefined;
}

export interface AuditOpinion {
  readonly auditor: PeerIdString;
  readonly verdict: Verdict;
  /** As signed by the auditor, for a receipt's `verdicts`. */
  readonly signed: Signed;
}

/**
 * Asks `auditor` for a second opinion on a receipt (section 4.0).
 * @throws QvacError E_BAD_PEER for a verdict that is not the auditor's own on this job and root; E_BUSY, E_NOT_SERVED,
 * E_NO_MODEL, E_MALFORMED_RECEIPT or E_FAILED that the auditor sent; E_TRUNCATED, E_TIMEOUT, E_NETWORK
 */
export async function auditReceipt(
  components: { readonly peer: Peer },
  init: AuditInit,
  options: AbortOptions = {},
): Promise<AuditOpinion> {
  const { receipt, auditor } = init;
  const stream = await components.peer.open(auditor, auditProtocol, options);
  try {
    // Not awaited: an auditor that refuses may do so before it has read the receipt.
    const sending = stream.write({ t: 'audit', receipt: utf8(serialiseReceipt(receipt)) }, options);
    sending.catch(() => undefined);
    const signed = await answer(stream, init.gapMs ?? defaultGapMs, options);
    await sending;
    const verdict = checked(receipt, stream, signed);
    await stream.close();
    return { auditor: stream.remote.peer, verdict, signed };
  } catch (error) {
    stream.abort(toError(error));
    throw error;
  }
}

const defaultGapMs = 10_000;

async function answer(stream: FrameStream, gapMs: number, options: AbortOptions): Promise<Signed> {
  const name = shortPeer(stream.remote.peer);
  for (;;) {
    const gap = AbortSignal.timeout(gapMs);
    const frame = await stream
      .read(['beat', 'verdict', 'busy', 'error'], {
        signal: anySignal(gap, options.signal),
      })
      .catch((error: unknown) => {
        options.signal?.throwIfAborted();
        throw gap.aborted
          ? new QvacError('E_TIMEOUT', `the auditor ${name} sent nothing for ${seconds(gapMs)}`, { cause: error })
          : error;
      });
    if (frame === null) throw new QvacError('E_TRUNCATED', `the auditor ${name} closed the stream without a verdict`);
    if (frame.t === 'verdict') return { body: frame.body, sig: frame.sig };
    if (frame.t === 'busy') throw new QvacError('E_BUSY', `the auditor ${name} is busy`);
    if (frame.t === 'error') throw refusal(frame, name);
  }
}

function refusal({ code, message }: FrameOf<'error'>, name: string): QvacError {
  switch (peerErrorCode(code)) {
    case 'bad-frame':
      return new QvacError('E_MALFORMED_RECEIPT', `the auditor ${name} refused the receipt as malformed`);
    case 'no-model':
      return new QvacError('E_NO_MODEL', `the auditor ${name} does not hold the model of this receipt`);
    case 'not-served':
      return new QvacError('E_NOT_SERVED', `the auditor ${name} does not serve you`, {
        hint: 'its owner can add you: qvac route --allow <your peer id>',
      });
    default:
      return new QvacError('E_FAILED', `the auditor ${name} failed: ${message.slice(0, 200)}`);
  }
}

/** The verdict in `signed`, if the auditor made it about this answer. @throws QvacError E_BAD_PEER */
function checked(receipt: Receipt, stream: FrameStream, signed: Signed): Verdict {
  const refuse = (why: string, cause?: unknown): QvacError =>
    new QvacError('E_BAD_PEER', `the verdict of ${shortPeer(stream.remote.peer)} was refused: ${why}`, { cause });
  const verdict = decode(signed, refuse);
  const jobId = jobIdOf(receipt.offer.body);
  if (!equalBytes(verdict.verifier, stream.remote.publicKey)) throw refuse('it names another verifier');
  if (!verifyBody(stream.remote.publicKey, kinds.verdict, jobId, signed))
    throw refuse('its signature is not the auditor’s');
  if (jobIdHex(verdict.jobId) !== jobId) throw refuse('it is about another job');
  const [final] = receipt.heads;
  if (final === undefined || !equalBytes(verdict.root, decodeHead(final.body).root))
    throw refuse('it is about another answer');
  return verdict;
}

function decode(signed: Signed, refuse: (why: string, cause?: unknown) => QvacError): Verdict {
  try {
    return decodeVerdict(signed.body);
  } catch (error) {
    if (error instanceof MalformedError) throw refuse('it is malformed', error);
    throw error;
  }
}
