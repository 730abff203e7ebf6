import { AsyncLocalStorage } from 'node:async_hooks';
import { QvacError } from '../../errors.ts';
import { addressText } from '../../escrow/addresses.ts';
import type { Escrow, JobAccount, JobKey, WalletKey } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import type { Purpose, Signatures } from './signatures.ts';

interface SigningContext extends AbortOptions {
  readonly purpose: Purpose;
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
  ): Promise<Value> => signing.run({ ...options, purpose }, run);
  /** Repeats an objection until `claimAt`, the last moment that it counts: the person may be away from the page. */
  const repeatUntilClaim = async <Value>(
    job: ObjectedJob,
    kind: 'job_reject' | 'job_slash',
    options: AbortOptions | undefined,
    run: () => Promise<Value>,
  ): Promise<Value> => {
    const left = (job.submitted?.claimAt ?? 0) - (await escrow.now(options));
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
    createJob: (init, options) => {
      const { terms, authority } = init;
      return withPurpose(
        {
          kind: 'job_create',
          job: toHex(terms.jobId),
          amount: terms.amount.toString(),
          payee: addressText(authority),
          provider: peerIdOf(terms.peer),
        },
        options,
        () => escrow.createJob(init, options),
      );
    },
    rejectJob: (job, digest, options) =>
      repeatUntilClaim(job, 'job_reject', options, () => escrow.rejectJob(job, digest, options)),
    slashEquivocation: (job, heads, options) =>
      repeatUntilClaim(job, 'job_slash', options, () => escrow.slashEquivocation(job, heads, options)),
    slashHeadMismatch: (job, head, options) =>
      repeatUntilClaim(job, 'job_slash', options, () => escrow.slashHeadMismatch(job, head, options)),
    slashSampler: (job, step, options) =>
      repeatUntilClaim(job, 'job_slash', options, () => escrow.slashSampler(job, step, options)),
    refundJob: (job, options) =>
      withPurpose(
        {
          kind: 'job_refund',
          job: toHex(job.jobId),
          refunded: lockedIn(job).toString(),
          payee: addressText(job.provider),
        },
        options,
        () => escrow.refundJob(job, options),
      ),
    confirmJob: (job, options) =>
      withPurpose(payoutOf(job, 'job_confirm'), options, () => escrow.confirmJob(job, options)),
    claimJob: (job, options) => withPurpose(payoutOf(job, 'job_claim'), options, () => escrow.claimJob(job, options)),
  };
}

/** Callers pass the job's whole account, although the escrow's types name only a part of it. */
type ObjectedJob = JobKey & Partial<Pick<JobAccount, 'amount' | 'submitted'>>;

const lockedIn = ({ amount = 0n }: ObjectedJob): bigint => amount;

function objectionTo(job: ObjectedJob, kind: 'job_reject' | 'job_slash', deadline: number): Purpose {
  const [id, payee, amount, burnt] = [
    toHex(job.jobId),
    addressText(job.provider),
    lockedIn(job),
    job.submitted?.payout ?? 0n,
  ];
  if (kind === 'job_slash') return { kind, job: id, refunded: amount.toString(), payee, deadline };
  return { kind, job: id, burnt: burnt.toString(), refunded: (amount - burnt).toString(), payee, deadline };
}

function payoutOf(job: ObjectedJob, kind: 'job_confirm' | 'job_claim'): Purpose {
  const paid = job.submitted?.payout ?? 0n;
  return {
    kind,
    job: toHex(job.jobId),
    paid: paid.toString(),
    refunded: (lockedIn(job) - paid).toString(),
    payee: addressText(job.provider),
  };
}
