import type { Escrow } from '../../../escrow/escrow.ts';
import type { ChannelId, JobId } from '../../../lib/types.ts';

/**
 * The stake that this provider has promised and the chain has not locked yet: for the jobs that it serves, and for
 * channel terms that it signed. Each is counted before the stake is looked up, so that no lamport is promised twice.
 */
export interface StakeLedger {
  reserveJob(jobId: JobId, lamports: bigint): void;
  reserveTerms(channel: ChannelId, lamports: bigint): void;
  /** The chain counts it now, or nothing will be locked. */
  release(id: JobId | ChannelId): void;
  /** Whether the stake covers all that is reserved, and what signed terms reserve of it. @throws QvacError E_CHAIN */
  read(): Promise<StakeState>;
}

export interface StakeState {
  /** The free stake covers all reservations. */
  readonly covers: boolean;
  readonly stake: bigint;
  readonly freeStake: bigint;
  readonly termsLamports: bigint;
}

export function createStakeLedger(escrow: Pick<Escrow, 'provider'>, authority: Uint8Array): StakeLedger {
  const jobs = new Map<string, bigint>();
  const terms = new Map<string, bigint>();
  return {
    reserveJob: (jobId, lamports) => void jobs.set(jobId, lamports),
    reserveTerms: (channel, lamports) => void terms.set(channel, lamports),
    release(id) {
      jobs.delete(id);
      terms.delete(id);
    },
    async read() {
      const account = await escrow.provider(authority);
      const [stake, freeStake] = [account?.stake ?? 0n, account?.freeStake ?? 0n];
      const termsLamports = sumOf(terms);
      return { covers: account !== null && sumOf(jobs) + termsLamports <= freeStake, stake, freeStake, termsLamports };
    },
  };
}

function sumOf(reserved: ReadonlyMap<string, bigint>): bigint {
  return [...reserved.values()].reduce((sum, lamports) => sum + lamports, 0n);
}
