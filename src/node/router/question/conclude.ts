import { messageOf, ownWordsOf, QvacError, toError } from '../../../errors.ts';
import { anySignal, raceSignal } from '../../../lib/abort.ts';
import { equalBytes, utf8 } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { type Receipt, serialiseReceipt } from '../../../proofs/receipt.ts';
import { type SigningKey, signBody } from '../../../proofs/signing.ts';
import { verdictOf } from '../../../proofs/verdict.ts';
import { openingTimeoutMs } from '../../../protocol/constants.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { type FaultCode, kinds, type Signed, type Verdict } from '../../../protocol/messages.ts';
import { encodeVerdict } from '../../../protocol/validate.ts';
import type { Job } from '../../job/job.ts';
import type { SecondOpinion } from '../../verification/second-opinion.ts';
import type { Depth, Verifier } from '../../verification/verifier.ts';
import type { ClientStream } from '../client-stream.ts';
import { deliveryTimeoutMs } from '../constants.ts';

export interface ConcludeRoutedComponents {
  readonly key: SigningKey;
  readonly verifier: Verifier;
  /** Keeps a finished job's receipt. */
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ConcludeRoutedInit {
  readonly job: Job;
  readonly person: ClientStream;
  readonly commit: Uint8Array;
  /** With mode `none` there is neither challenge nor opening. */
  readonly challenged: boolean;
  readonly depth: Depth;
  /** Asked before a provider is blamed for numbers. @default this router alone re-executes, twice */
  readonly second?: SecondOpinion | null | undefined;
  /** Ends a re-execution: later the answer cannot be rejected any more. @default never */
  readonly until?: AbortSignal | undefined;
  /** Hears what was found before anybody else does, so that whoever asks next profits from it. */
  learn(assessment: Assessment): void;
  /** Aborts when the router stops. */
  readonly signal: AbortSignal;
}

export interface Settled {
  readonly assessment: Assessment;
  /** With this router's verdict, and that of an auditor where one was asked. */
  readonly receipt: Receipt;
  readonly verdict: Signed;
}

/** After the final head: challenge, opening, verdict, receipt (section 4.0), to whoever is still there. */
export async function concludeForClient(
  components: ConcludeRoutedComponents,
  init: ConcludeRoutedInit,
): Promise<Settled> {
  const { job, person } = init;
  const fault = init.challenged ? await open(init) : null;
  const unsigned = job.received.receipt([]);
  const opinions: Signed[] = [];
  const second = async (receipt: Receipt, asking: AbortOptions): Promise<Verdict | null> => {
    const opinion = (await init.second?.(receipt, asking)) ?? null;
    if (opinion !== null) opinions.push(opinion.signed);
    return opinion?.verdict ?? null;
  };
  const assessment = withFault(
    await components.verifier.check(unsigned, init.depth, { signal: init.signal, until: init.until, second }),
    fault,
  );
  init.learn(assessment);
  const verdict = signVerdict(components, assessment, unsigned, job);
  const delivered = { signal: anySignal(init.signal, AbortSignal.timeout(deliveryTimeoutMs)) };
  // A provider that does not read keeps nobody waiting.
  const told = tellProvider(components, job, verdict, delivered.signal);
  await person.send({ t: 'verdict', ...verdict }, delivered);
  const receipt = job.received.receipt([...opinions, verdict]);
  // Before the person's client has it: where both keep theirs in one home, the client's is the last word.
  await keep(components, receipt, job);
  await person.send({ t: 'receipt', receipt: utf8(serialiseReceipt(receipt)) }, delivered);
  await told;
  return { assessment, receipt, verdict };
}

/** Lets the person's client challenge and passes the opening on. @returns the fault where the provider gave none */
async function open(init: ConcludeRoutedInit): Promise<FaultCode | null> {
  const { job, person, commit, signal } = init;
  const secret = await raceSignal(person.challenge(openingTimeoutMs), signal);
  if (secret === null) return null;
  if (!equalBytes(sha256(secret), commit)) {
    await person.refuse(new QvacError('E_BAD_PEER', 'the secret is not the one of the commit'));
    return null;
  }
  const fault = await reveal(init, secret, false);
  // Before anybody loses money for it, it is asked once more.
  return fault === 'silence' && job.offer.payment !== null ? reveal(init, secret, true) : fault;
}

async function reveal(
  { job, person, signal }: ConcludeRoutedInit,
  secret: Uint8Array,
  anew: boolean,
): Promise<FaultCode | null> {
  try {
    const opening = await job.challenge(secret, { signal, anew });
    await person.send({ t: 'opening', ...opening }, { signal });
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FaultError) return error.fault;
    // Whatever it answered instead of an opening, there is none.
    if (error instanceof QvacError) return 'silence';
    throw error;
  }
}

/** What the router saw on its own stream, which no receipt shows, counts where the receipt itself shows no fault. */
function withFault(assessment: Assessment, fault: FaultCode | null): Assessment {
  if (fault === null || assessment.result === 'fail') return assessment;
  return { ...assessment, result: 'fail', tier: 'sampling', faults: [fault] };
}

function signVerdict(components: ConcludeRoutedComponents, assessment: Assessment, receipt: Receipt, job: Job): Signed {
  const verdict = verdictOf(assessment, receipt, components.key.publicKey, components.clock.now());
  return signBody(components.key, kinds.verdict, job.jobId, encodeVerdict(verdict));
}

/** The provider stores it; one that is gone by now does without. Never throws. */
async function tellProvider(
  { logger }: ConcludeRoutedComponents,
  job: Job,
  verdict: Signed,
  signal: AbortSignal,
): Promise<void> {
  try {
    await job.verdict(verdict, { signal });
    await job.close();
  } catch (error) {
    logger.debug('verdict not taken by the provider', { jobId: job.jobId, reason: ownWordsOf(error) });
    job.abort(toError(error));
  }
}

async function keep({ receipts, logger }: ConcludeRoutedComponents, receipt: Receipt, job: Job): Promise<void> {
  try {
    await receipts.save(receipt);
  } catch (error) {
    logger.warn('receipt not saved', {
      jobId: job.jobId,
      reason: messageOf(error),
    });
  }
}
