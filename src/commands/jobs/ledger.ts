import { QvacError } from '../../errors.ts';
import type { JobAccount } from '../../escrow/accounts.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { sol, timeSpan } from '../../terminal/format.ts';
import type { CommandContext } from '../parts/definition.ts';

export type LedgerContext = Pick<CommandContext, 'config' | 'output' | 'signal'>;
type Side = 'asked' | 'served';

export interface OpenJob {
  readonly side: Side;
  readonly job: JobAccount;
}

/** The unsettled jobs of this home's wallet, the newest first. */
export interface Ledger {
  readonly escrow: Escrow;
  readonly wallet: Uint8Array;
  readonly now: number;
  readonly jobs: readonly OpenJob[];
}

/** Reads the chain, and sends nothing. */
export async function openLedger({ config, signal }: LedgerContext): Promise<Ledger> {
  const { needWallet, openEscrowOf } = await import('../../sdk/payment/escrow.ts');
  const wallet = await needWallet(config);
  const escrow = await openEscrowOf(config, wallet, { signal });
  const { publicKey } = wallet;
  const [asked, served, now] = await Promise.all([
    escrow.jobs({ client: publicKey }, { signal }),
    escrow.jobs({ provider: publicKey }, { signal }),
    escrow.now({ signal }),
  ]);
  const jobs = [
    ...asked.map((job) => ({ side: 'asked', job }) as const),
    ...served.map((job) => ({ side: 'served', job }) as const),
  ];
  return { escrow, wallet: publicKey, now, jobs: jobs.toSorted((a, b) => b.job.createdAt - a.job.createdAt) };
}

/** The open job whose id begins with `prefix`. @throws QvacError E_NOT_FOUND, E_USAGE if there are several */
function choose({ jobs }: Ledger, prefix: string): OpenJob {
  const id = prefix.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(id))
    throw new QvacError('E_USAGE', `"${prefix.slice(0, 70)}" is not a job id`, { hint: 'qvac jobs ls' });
  const [found, ...others] = jobs.filter(({ job }) => toHex(job.jobId).startsWith(id));
  if (found === undefined)
    throw new QvacError('E_NOT_FOUND', `no open job begins with ${prefix}`, {
      hint: `qvac jobs ls; for a settled job: qvac jobs show ${prefix}`,
    });
  // If a wallet pays itself, the same job is listed on both sides.
  if (others.some(({ job }) => toHex(job.jobId) !== toHex(found.job.jobId)))
    throw new QvacError('E_USAGE', `several jobs begin with ${prefix}`, { hint: 'type more of the id' });
  return found;
}

/**
 * The job that `text` names: one of the wallet's own by its id, any job by the address of its account.
 * @throws QvacError E_NOT_FOUND, E_USAGE
 */
export async function find(ledger: Ledger, text: string, options: AbortOptions): Promise<OpenJob> {
  const { decodeAddress } = await import('../../protocol/base58.ts');
  const address = /^[0-9a-f]+$/i.test(text) ? null : decodeAddress(text);
  if (address === null) return choose(ledger, text);
  const job = await ledger.escrow.job(address, options);
  if (job === null)
    throw new QvacError('E_NOT_FOUND', `no open job at ${text}`, {
      hint: 'the job is settled, or on another chain (--rpc)',
    });
  return { side: 'asked', job };
}

/** The state of the money, what happens next and when, and the command for it. */
function words(
  { side, job }: OpenJob,
  now: number,
): { readonly state: string; readonly next: string; readonly at: number; readonly command: string | null } {
  const id = toHex(job.jobId).slice(0, 8);
  const span = (until: number): string => (until <= now ? 'now' : `in ${timeSpan(until - now)}`);
  if (job.submitted === null) {
    const due = job.refundAt <= now;
    const next = due ? 'can be refunded' : `refundable ${span(job.refundAt)} unless an answer is submitted`;
    return {
      state: side === 'asked' ? 'locked, no answer submitted' : 'locked for you, not submitted',
      next,
      at: job.refundAt,
      command: due ? `qvac jobs refund ${id}` : null,
    };
  }
  const { payout, releaseAt } = job.submitted;
  const due = releaseAt <= now;
  const who = side === 'asked' ? 'the provider gets' : 'you get';
  return {
    state: `submitted: ${who} ${sol(payout)}`,
    next: due ? 'can be paid out' : `paid out ${span(releaseAt)} unless rejected`,
    at: releaseAt,
    command: due ? `qvac jobs claim ${id}` : side === 'asked' ? `qvac jobs dispute ${id}` : null,
  };
}

/** The JSON of one job (docs/json.md). */
export async function jobJson(open: OpenJob, now: number) {
  const [{ addressText }, { peerIdOf }] = await Promise.all([
    import('../../escrow/addresses.ts'),
    import('../../proofs/signing.ts'),
  ]);
  const { side, job } = open;
  const { state, next, at, command } = words(open, now);
  return {
    id: toHex(job.jobId),
    side,
    state: job.submitted === null ? 'open' : 'submitted',
    words: state,
    next,
    nextAt: at,
    command,
    account: addressText(job.address),
    client: addressText(job.client),
    provider: addressText(job.provider),
    peer: peerIdOf(job.peer),
    amount: job.amount.toString(),
    payout: job.submitted?.payout.toString() ?? null,
    createdAt: job.createdAt,
    submittedAt: job.submitted?.at ?? null,
  };
}
