import type { Program } from '@coral-xyz/anchor';
import { type GetProgramAccountsFilter, PublicKey, SYSVAR_CLOCK_PUBKEY } from '@solana/web3.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { delay } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { addressText, jobAddress, providerAddress } from '../addresses.ts';
import type { Escrow, JobAccount } from '../escrow.ts';
import { jobOf, offsets, providerOf } from './accounts.ts';
import { findOutcome } from './outcomes.ts';
import type { Rpc } from './rpc.ts';

/** What needs no wallet. */
export type Reader = Pick<
  Escrow,
  | 'rent'
  | 'now'
  | 'provider'
  | 'providersOfPeer'
  | 'providers'
  | 'jobAddress'
  | 'job'
  | 'jobs'
  | 'waitForJob'
  | 'outcome'
>;

const bytesAt = (offset: number, bytes: Uint8Array): GetProgramAccountsFilter => ({
  memcmp: { offset, bytes: addressText(bytes) },
});
/** In the chain's clock sysvar: the unix time in seconds, i64. */
const unixTimeOffset = 32;

export function createReader(rpc: Rpc, client: Program<EscrowIdl>, pollMs: number): Reader {
  const program = client.programId.toBytes();
  const providers = async (filters: GetProgramAccountsFilter[], options?: AbortOptions) => {
    const found = await rpc.call(() => client.account.provider.all(filters), options);
    return found.map(({ publicKey, account }) => providerOf(publicKey.toBytes(), account));
  };
  /** The account's data, no older than anything that was read before. */
  const read = async (address: Uint8Array, options?: AbortOptions): Promise<Buffer | null> => {
    const config = () =>
      ({ commitment: 'confirmed', ...(rpc.newestSlot > 0 ? { minContextSlot: rpc.newestSlot } : {}) }) as const;
    const { context, value } = await rpc.call(
      (connection) => connection.getAccountInfoAndContext(new PublicKey(address), config()),
      options,
    );
    if (value !== null) rpc.saw(context.slot);
    // A stranger can put lamports there.
    return value?.owner.equals(client.programId) ? value.data : null;
  };
  /** An account of the program that is none of its kind is the endpoint's doing. */
  const decoded = <Value>(decode: () => Value): Value => {
    try {
      return decode();
    } catch (error) {
      throw rpc.failure(error);
    }
  };
  const job = async (address: Uint8Array, options?: AbortOptions): Promise<JobAccount | null> => {
    const data = await read(address, options);
    return data === null ? null : decoded(() => jobOf(address, client.coder.accounts.decode('job', data)));
  };
  return {
    job,
    jobAddress: (wallet, jobId) => jobAddress(program, wallet, jobId),
    providers: (options) => providers([], options),
    providersOfPeer: (peer, options) => providers([bytesAt(offsets.providerPeer, peer)], options),
    async provider(authority, options) {
      const address = providerAddress(program, authority);
      const data = await read(address, options);
      return data === null ? null : decoded(() => providerOf(address, client.coder.accounts.decode('provider', data)));
    },
    async jobs(filter, options) {
      const owner =
        'client' in filter ? bytesAt(offsets.jobClient, filter.client) : bytesAt(offsets.jobProvider, filter.provider);
      const found = await rpc.call(() => client.account.job.all([owner]), options);
      return found.map(({ publicKey, account }) => jobOf(publicKey.toBytes(), account));
    },
    async waitForJob(address, ready, options) {
      for (;;) {
        const now = await job(address, options);
        if (ready(now)) return now;
        await delay(pollMs, options?.signal);
      }
    },
    outcome: (address, options = {}) => findOutcome(rpc, client, address, options),
    async rent(bytes, options) {
      return rpc.call(async (connection) => BigInt(await connection.getMinimumBalanceForRentExemption(bytes)), options);
    },
    async now(options) {
      const clock = await rpc.call((connection) => connection.getAccountInfo(SYSVAR_CLOCK_PUBKEY), options);
      if (clock === null || clock.data.length < unixTimeOffset + 8) throw rpc.failure(new Error('it has no clock'));
      return Number(clock.data.readBigInt64LE(unixTimeOffset)) * 1_000;
    },
  };
}
