import { AsyncLocalStorage } from 'node:async_hooks';
import { QvacError } from '../../errors.ts';
import type { JobAccount } from '../../escrow/accounts.ts';
import { addressText } from '../../escrow/addresses.ts';
import type { Escrow, Executed, JobKey, Subject, WalletKey } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import { createSharedRuns } from '../../lib/shared-runs.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { modes } from '../../protocol/codes.ts';
import { jobIdOf } from '../../protocol/digests.ts';
import { decodeOffer } from '../../protocol/validate.ts';
import { channelCalls, slashInChannel } from './page-channel-escrow.ts';
import type { Purpose } from './purpose.ts';
import type { Signatures } from './signatures.ts';

interface SigningContext extends AbortOptions {
  readonly purpose: Purpose;
}

/** Set while the gateway acts by itself: no person waits to sign. */
const unattended = new AsyncLocalStorage<true>();

/** Runs `work` without asking any browser wallet: what needs a signature fails with E_LIMIT. */
export function withoutSigning<Value>(work: () => Promise<Value>): Promise<Value> {
  return unattended.run(true, work);
}

/** @throws QvacError E_LIMIT if no person waits to sign */
function requireOwner(): void {
  if (unattended.getStore() === true) throw new QvacError('E_LIMIT', 'the owner of the wallet has to sign this');
}

/** Opens the escrow with a browser wallet. Each transaction goes to the page with its purpose, to be signed there. */
export async function openPageEscrow(
  open: (wallet: WalletKey) => Promise<Escrow>,
  signatures: Signatures,
  publicKey: Uint8Array,
): Promise<Escrow> {
  const address = addressText(publicKey);
  // Several transactions may wait for the same wallet; each must be signed within the call that made it.
  const signing = new AsyncLocalStorage<SigningContext>();
  const wallet: WalletKey = {
    publicKey,
    sign(message) {
      const store = signing.getStore();
      if (store === undefined) throw new Error('a transaction without a purpose');
      return signatures.request(address, publicKey, message, store.purpose, store);
    },
  };
  const escrow = await open(wallet);
  const withPurpose = <Value>(
    purpose: Purpose,
    options: AbortOptions | undefined,
    run: () => Promise<Value>,
  ): Promise<Value> => {
    requireOwner();
    return signing.run({ ...options, purpose }, run);
  };
  const objections = createSharedRuns<Executed>();
  /** Proves a fault, of a job or of an answer in a channel. */
  const slashing = (subject: Subject, options: AbortOptions | undefined, run: () => Promise<Executed>) => {
    if ('job' in subject) return objecting(subject.job, 'job_slash', options, run);
    return slashInChannel(escrow, subject, withPurpose, options, run);
  };
  /** The answer's own check and each tab of the page may object at once: the person is asked for one signature. */
  const objecting = async (...objection: Parameters<typeof repeatUntilRelease>): Promise<Executed> => {
    const [job, kind, options] = objection;
    // What runs unattended must not wait for one that the owner is asked for, or end it.
    requireOwner();
    return objections(`${kind} ${toHex(job.address)}`, () => repeatUntilRelease(...objection), options);
  };
  /** Repeats an objection until `releaseAt`, the last moment that it counts: the person may be away from the page. */
  const repeatUntilRelease = async (
    job: ObjectedJob,
    kind: 'job_reject' | 'job_slash',
    options: AbortOptions | undefined,
    run: () => Promise<Executed>,
  ): Promise<Executed> => {
    const left = (job.submitted?.releaseAt ?? 0) - (await escrow.now(options));
    const deadline = Date.now() + left;
    const purpose = objectionTo(job, kind, deadline);
    for (;;) {
      try {
        return await withPurpose(purpose, options, run);
      } catch (error) {
        if (!(error instanceof QvacError) || error.code !== 'E_TIMEOUT' || Date.now() >= deadline) throw error;
      }
    }
  };
  return {
    ...escrow,
    ...channelCalls(escrow, withPurpose),
    createJob: (init, options) => {
      const { provider, payment, mode } = decodeOffer(init.offer);
      return withPurpose(
        {
          kind: 'job_create',
          job: jobIdOf(init.offer),
          amount: payment.amountLamports.toString(),
          payee: addressText(init.authority),
          provider: peerIdOf(provider),
          isScore: mode === modes.score,
        },
        options,
        () => escrow.createJob(init, options),
      );
    },
    rejectJob: (job, digest, options) =>
      objecting(job, 'job_reject', options, () => escrow.rejectJob(job, digest, options)),
    slashEquivocation: (subject, heads, options) =>
      slashing(subject, options, () => escrow.slashEquivocation(subject, heads, options)),
    slashSampler: (subject, step, options) =>
      slashing(subject, options, () => escrow.slashSampler(subject, step, options)),
    refundJob: (job, options) =>
      withPurpose(
        {
          kind: 'job_refund',
          job: idOf(job),
          refunded: lockedIn(job).toString(),
          payee: addressText(job.provider),
        },
        options,
        () => escrow.refundJob(job, options),
      ),
    confirmJob: (job, options) => withPurpose(payoutOf(job), options, () => escrow.confirmJob(job, options)),
  };
}

/** Callers pass the job's whole account, although the escrow's types name only a part of it. */
type ObjectedJob = JobKey & Partial<Pick<JobAccount, 'jobId' | 'amount' | 'submitted'>>;

const idOf = ({ jobId }: ObjectedJob): string => (jobId === undefined ? '' : toHex(jobId));

const lockedIn = ({ amount = 0n }: ObjectedJob): bigint => amount;

function objectionTo(job: ObjectedJob, kind: 'job_reject' | 'job_slash', deadline: number): Purpose {
  const [id, payee, amount, burnt] = [idOf(job), addressText(job.provider), lockedIn(job), job.submitted?.payout ?? 0n];
  if (kind === 'job_slash') return { kind, job: id, refunded: amount.toString(), payee, deadline };
  return { kind, job: id, burnt: burnt.toString(), refunded: (amount - burnt).toString(), payee, deadline };
}

function payoutOf(job: ObjectedJob): Purpose {
  const paid = job.submitted?.payout ?? 0n;
  return {
    kind: 'job_confirm',
    job: idOf(job),
    paid: paid.toString(),
    refunded: (lockedIn(job) - paid).toString(),
    payee: addressText(job.provider),
  };
}
