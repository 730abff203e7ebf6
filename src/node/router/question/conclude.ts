import { messageOf, QvacError } from '../../../errors.ts';
import { anySignal, raceSignal } from '../../../lib/abort.ts';
import { equalBytes, utf8 } from '../../../lib/bytes.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { type Receipt, serialiseReceipt } from '../../../proofs/receipt.ts';
import { openingTimeoutMs } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import type { FaultCode } from '../../../protocol/messages.ts';
import {
  type Conclusion,
  deliverVerdict,
  type JudgeComponents,
  type JudgeInit,
  judge,
  requestOpening,
} from '../../job/conclude.ts';
import type { Job } from '../../job/job.ts';
import type { JobPayment } from '../../payment/job-payment.ts';
import type { SecondOpinion } from '../../verification/second-opinion.ts';
import type { Depth, Verifier } from '../../verification/verifier.ts';
import type { ClientStream } from '../client-stream.ts';
import { deliveryTimeoutMs } from '../constants.ts';

export interface ConcludeRoutedComponents extends JudgeComponents {
  readonly verifier: Verifier;
  /** Stores the receipts of finished jobs. */
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

export interface ConcludeRoutedInit {
  readonly job: Job;
  readonly clientStream: ClientStream;
  readonly commit: Uint8Array;
  /** False in mode `none`, which has neither challenge nor opening. */
  readonly challenged: boolean;
  /** How far to check; `secret` is null if the client did not challenge. */
  depthFor(secret: Uint8Array | null): Depth;
  /** Re-executes an answer that failed a numeric check. @default this router re-executes it a second time */
  readonly second?: SecondOpinion | null | undefined;
  /** Ends a re-execution, whose result would come too late to reject. @default never */
  readonly until?: AbortSignal | undefined;
  /** Pays for the answer; null: it is free. */
  readonly payment: Pick<JobPayment, 'release' | 'delivered'> | null;
  /** Called with the result before the client receives it, so that the next selection takes it into account. */
  learn(assessment: Assessment): void;
  /** Aborts when the router stops. */
  readonly signal: AbortSignal;
}

/** After the final head: relays challenge and opening, checks the answer, sends verdict and receipt (section 4.0). */
export async function concludeForClient(
  components: ConcludeRoutedComponents,
  init: ConcludeRoutedInit,
): Promise<Conclusion> {
  const { verifier, logger } = components;
  const { job, clientStream, second, payment, until, signal } = init;
  const { fault, secret } = init.challenged ? await relayOpening(init) : { fault: null, secret: null };
  const depth = init.depthFor(secret);
  const check: JudgeInit['check'] = (receipt, options) => verifier.check(receipt, depth, options);
  const conclusion = await judge(components, job, { check, fault, second, until }, { signal });
  init.learn(conclusion.assessment);
  const { verdict, receipt, assessment } = conclusion;
  const release = (await payment?.release({ assessment, verdictDigest: sha256(verdict.body) })) ?? null;
  const delivery = { signal: anySignal(signal, AbortSignal.timeout(deliveryTimeoutMs)) };
  // Not awaited yet: a provider that does not read must not delay the client.
  const delivered = deliverVerdict(job, { verdict, release }, logger, delivery);
  await clientStream.send({ t: 'verdict', ...verdict }, delivery);
  // Saved before the client receives it: if both use one home, the client's receipt replaces this one.
  await save(components, receipt, job);
  await clientStream.send({ t: 'receipt', receipt: utf8(serialiseReceipt(receipt)) }, delivery);
  payment?.delivered(await delivered);
  return conclusion;
}

/** A challenge that was passed on. */
interface Relayed {
  /** Null if the client sent none. */
  readonly secret: Uint8Array | null;
  /** Null unless there is no valid opening. */
  readonly fault: FaultCode | null;
}

/** Passes the client's challenge and the provider's opening on. */
async function relayOpening({ job, clientStream, commit, signal }: ConcludeRoutedInit): Promise<Relayed> {
  const secret = await raceSignal(clientStream.challenge(openingTimeoutMs), signal);
  if (secret === null) return { secret, fault: null };
  if (!equalBytes(sha256(secret), commit)) {
    await clientStream.refuse(new QvacError('E_BAD_PEER', 'the secret does not hash to the commit'));
    return { secret: null, fault: null };
  }
  const fault = await requestOpening(job, secret, { signal });
  const { openingSigned } = job.received;
  if (fault === null && openingSigned !== null) await clientStream.send({ t: 'opening', ...openingSigned }, { signal });
  return { secret, fault };
}

async function save({ receipts, logger }: ConcludeRoutedComponents, receipt: Receipt, job: Job): Promise<void> {
  try {
    await receipts.save(receipt);
  } catch (error) {
    logger.warn('receipt not saved', { jobId: job.jobId, reason: messageOf(error) });
  }
}
