import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { fromUtf8 } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { parseReceipt, type Receipt } from '../../proofs/receipt.ts';
import { type SigningKey, signBody } from '../../proofs/signing.ts';
import { verdictOf } from '../../proofs/verdict.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { jobIdOf, modelIdHex } from '../../protocol/digests.ts';
import { kinds } from '../../protocol/messages.ts';
import { decodeOffer, encodeVerdict } from '../../protocol/validate.ts';
import { HeartbeatWriter } from '../streams/heartbeat-writer.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import { ownPart } from '../verification/doubt.ts';
import type { Verifier } from '../verification/verifier.ts';
import { maxAudits, maxAuditsPerPeer, requestTimeoutMs } from './constants.ts';
import type { InFlight } from './in-flight.ts';

export interface AuditHandlerComponents {
  readonly key: SigningKey;
  readonly verifier: Verifier;
  /** Running and waiting audits, by the peer that asked. */
  readonly audits: InFlight;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AuditHandlerInit {
  serves(peer: PeerIdString): boolean;
  readonly beatMs: number;
  readonly signal: AbortSignal;
}

/** Answers `/qvac/audit/1.0.0` (section 4.0): a signed second opinion on a receipt. */
export async function handleAudit(
  components: AuditHandlerComponents,
  init: AuditHandlerInit,
  stream: FrameStream,
): Promise<void> {
  const client = stream.remote.peer;
  if (!init.serves(client)) {
    await stream.write({ t: 'error', code: 'not-served', message: 'this auditor does not serve you' });
    return;
  }
  const release = components.audits.tryAdd(client, { perPeer: maxAuditsPerPeer, total: maxAudits });
  if (release === null) {
    await stream.write({ t: 'busy' });
    return;
  }
  try {
    const audit = await readWithin(stream, ['audit'], requestTimeoutMs, init);
    if (audit === null) throw new QvacError('E_BAD_PEER', 'a stream without a receipt');
    await answer(components, init, new HeartbeatWriter(stream, init), audit.receipt);
  } finally {
    release();
  }
}

async function answer(
  components: AuditHandlerComponents,
  init: AuditHandlerInit,
  writer: HeartbeatWriter,
  bytes: Uint8Array,
): Promise<void> {
  const { key, verifier, clock, logger } = components;
  const receipt = parse(bytes);
  if (receipt === null) return writer.fail('bad-frame', 'not a receipt');
  if (!verifier.models.has(modelIdHex(decodeOffer(receipt.offer.body).modelId)))
    return writer.fail('no-model', 'this auditor does not hold the model');
  if (!verifier.takes(receipt)) return writer.fail('no-model', 'the answer is longer than the model’s context here');
  try {
    const options = { signal: anySignal(init.signal, writer.gone) };
    const assessment = ownPart(await verifier.check(receipt, 'full', options));
    const verdict = verdictOf(assessment, receipt, key.publicKey, clock.now());
    const signed = signBody(key, kinds.verdict, jobIdOf(receipt.offer.body), encodeVerdict(verdict));
    await writer.send({ t: 'verdict', ...signed });
    await writer.end();
    logger.info('audited', { result: assessment.result, tier: assessment.tier });
  } catch (error) {
    await writer.fail('internal', 'the audit failed');
    if (!init.signal.aborted && !writer.gone.aborted) throw error;
  }
}

function parse(bytes: Uint8Array): Receipt | null {
  try {
    return parseReceipt(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof MalformedError || error instanceof TypeError) return null;
    throw error;
  }
}
