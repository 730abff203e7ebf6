import { AsyncLocalStorage } from 'node:async_hooks';
import { QvacError } from '../../errors.ts';
import { addressText } from '../../escrow/addresses.ts';
import type { Escrow, JobAccount, JobKey, WalletKey } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import type { Purpose, Signatures } from './signatures.ts';

interface Wanted extends AbortOptions {
  readonly purpose: Purpose;
}

/**
 * Opens the escrow with a wallet that a person holds in the page: whatever it signs comes to them with what it is for.
 */
export async function openPageEscrow(
  open: (wallet: WalletKey) => Promise<Escrow>,
  signatures: Signatures,
  publicKey: Uint8Array,
): Promise<Escrow> {
  const address = addressText(publicKey);
  // Several transactions may wait for the same wallet; each is signed inside the call that it belongs to.
  const wanted = new AsyncLocalStorage<Wanted>();
  const wallet: WalletKey = {
    publicKey,
    sign(message) {
      const store = wanted.getStore();
      if (store === undefined) throw new Error('a transaction without a purpose');
      return signatures.request(address, publicKey, message, store.purpose, store);
    },
  };
  const escrow = await open(wallet);
  const forThe = <Value>(
    purpose: Purpose,
    calling: AbortOptions | undefined,
    run: () => Promise<Value>,
  ): Promise<Value> => wanted.run({ ...calling, purpose }, run);
  /**
   * Asks again and again for what makes a difference until `claimAt`: a person may be away from the page for a minute.
   */
  const insist = async <Value>(
    job: ObjectedJob,
    kind: 'job_reject' | 'job_slash',
    calling: AbortOptions | undefined,
    run: () => Promise<Value>,
  ): Promise<Value> => {
    const left = (job.submitted?.claimAt ?? 0) - (await escrow.now(calling));
    const deadline = Date.now() + left;
    const purpose = objectionTo(job, kind, deadline);
    for (;;) {
      try {
        return await forThe(purpose, calling, run);
      } catch (error) {
        if (!(error instanceof QvacError) || error.code !== 'E_TIMEOUT' || Date.now() >= deadline) throw error;
      }
    }
  };
  return {
    ...escrow,
    createJob: (init, calling) => {
      const { terms, authority } = init;
      return forThe(
        {
          kind: 'job_create',
          job: toHex(terms.jobId),
          amount: terms.amount.toString(),
          payee: addressText(authority),
          provider: peerIdOf(terms.peer),
        },
        calling,
        () => escrow.createJob(init, calling),
      );
    },
    rejectJob: (job, digest, calling) =>
      insist(job, 'job_reject', calling, () => escrow.rejectJob(job, digest, calling)),
    slashEquivocation: (job, heads, calling) =>
      insist(job, 'job_slash', calling, () => escrow.slashEquivocation(job, heads, calling)),
    slashHeadMismatch: (job, head, calling) =>
      insist(job, 'job_slash', calling, () => escrow.slashHeadMismatch(job, head, calling)),
    slashSampler: (job, step, calling) =>
      insist(job, 'job_slash', calling, () => escrow.slashSampler(job, step, calling)),
    refundJob: (job, calling) =>
      forThe(
        {
          kind: 'job_refund',
          job: toHex(job.jobId),
          refunded: lockedIn(job).toString(),
          payee: addressText(job.provider),
        },
        calling,
        () => escrow.refundJob(job, calling),
      ),
    confirmJob: (job, calling) => forThe(payoutOf(job, 'job_confirm'), calling, () => escrow.confirmJob(job, calling)),
    claimJob: (job, calling) => forThe(payoutOf(job, 'job_claim'), calling, () => escrow.claimJob(job, calling)),
  };
}

/** What the calls above are given is the account of the job, of which their types name but a part. */
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
