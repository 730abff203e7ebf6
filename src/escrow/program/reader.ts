import type { Program } from '@coral-xyz/anchor';
import { type AccountInfo, type GetProgramAccountsFilter, PublicKey, SYSVAR_CLOCK_PUBKEY } from '@solana/web3.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { delay } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { addressText, channelAddress, evidenceAddress, jobAddress, providerAddress } from '../addresses.ts';
import type { EscrowReader } from '../escrow.ts';
import { channelOf, evidenceOf, jobOf, offsets, providerOf } from './accounts.ts';
import { findChannelOutcome, findJobOutcome } from './outcomes.ts';
import type { Rpc } from './rpc.ts';

/** In the chain's clock sysvar: the unix time in seconds, i64. */
const unixTimeOffset = 32;

/** The filter for accounts with these bytes at `offset`. */
const bytesAt = (offset: number, bytes: Uint8Array): GetProgramAccountsFilter => ({
  memcmp: { offset, bytes: addressText(bytes) },
});

/** The account, no older than anything that was read before. */
async function readAccount(rpc: Rpc, key: PublicKey, options?: AbortOptions): Promise<AccountInfo<Buffer> | null> {
  const config = () =>
    ({ commitment: 'confirmed', ...(rpc.newestSlot > 0 ? { minContextSlot: rpc.newestSlot } : {}) }) as const;
  const { context, value } = await rpc.call(
    (connection) => connection.getAccountInfoAndContext(key, config()),
    options,
  );
  if (value !== null) rpc.saw(context.slot);
  return value;
}

type AccountName = keyof Program<EscrowIdl>['account'];

export function createReader(rpc: Rpc, client: Program<EscrowIdl>, pollMs: number): EscrowReader {
  const program = client.programId.toBytes();
  async function dataOf(address: Uint8Array, options?: AbortOptions): Promise<Buffer | null> {
    const account = await readAccount(rpc, new PublicKey(address), options);
    // A stranger can put lamports there.
    return account?.owner.equals(client.programId) ? account.data : null;
  }
  /** How the accounts of one kind are read. */
  function kindOf<Raw, Value>(
    name: AccountName,
    accounts: { all(filters: GetProgramAccountsFilter[]): Promise<{ publicKey: PublicKey; account: Raw }[]> },
    from: (address: Uint8Array, raw: Raw) => Value,
  ) {
    async function read(address: Uint8Array, options?: AbortOptions): Promise<Value | null> {
      const data = await dataOf(address, options);
      if (data === null) return null;
      try {
        return from(address, client.coder.accounts.decode<Raw>(name, data));
      } catch (error) {
        // An account of the program that is not of its kind is the endpoint's doing.
        throw rpc.failure(error);
      }
    }
    return {
      read,
      async find(filters: GetProgramAccountsFilter[], options?: AbortOptions): Promise<readonly Value[]> {
        const found = await rpc.call(() => accounts.all(filters), options);
        return found.map(({ publicKey, account }) => from(publicKey.toBytes(), account));
      },
      async waitFor(
        address: Uint8Array,
        ready: (value: Value | null) => boolean,
        options?: AbortOptions,
      ): Promise<Value | null> {
        for (;;) {
          const now = await read(address, options);
          if (ready(now)) return now;
          await delay(pollMs, options?.signal);
        }
      },
    };
  }
  const provider = kindOf('provider', client.account.provider, providerOf);
  const job = kindOf('job', client.account.job, jobOf);
  const channel = kindOf('channel', client.account.channel, channelOf);
  const evidence = kindOf('evidence', client.account.evidence, evidenceOf);
  return {
    ...chainReader(rpc),
    provider: (authority, options) => provider.read(providerAddress(program, authority), options),
    providersOfPeer: (peer, options) => provider.find([bytesAt(offsets.providerPeer, peer)], options),
    providers: (options) => provider.find([], options),

    job: job.read,
    jobAddress: (wallet, jobId) => jobAddress(program, wallet, jobId),
    jobs: (filter, options) =>
      job.find(
        [
          'client' in filter
            ? bytesAt(offsets.jobClient, filter.client)
            : bytesAt(offsets.jobProvider, filter.provider),
        ],
        options,
      ),
    waitForJob: job.waitFor,
    jobOutcome: (address, options = {}) => findJobOutcome(rpc, client, address, options),

    channel: channel.read,
    channelAddress: (id) => channelAddress(program, id),
    channels: (filter, options) =>
      channel.find(
        [
          'payer' in filter
            ? bytesAt(offsets.channelPayer, filter.payer)
            : bytesAt(offsets.channelProvider, filter.provider),
        ],
        options,
      ),
    waitForChannel: channel.waitFor,
    channelOutcome: (address, options = {}) => findChannelOutcome(rpc, client, address, options),

    evidence: evidence.read,
    evidenceAddress: (address, jobId) => evidenceAddress(program, address, jobId),
    evidences: (filter, options) =>
      evidence.find(
        [
          'channel' in filter
            ? bytesAt(offsets.evidenceChannel, filter.channel)
            : 'rentPayer' in filter
              ? bytesAt(offsets.evidenceRentPayer, filter.rentPayer)
              : bytesAt(offsets.evidencePeer, filter.peer),
        ],
        options,
      ),
  };
}

function chainReader(rpc: Rpc): Pick<EscrowReader, 'rent' | 'now'> {
  return {
    async rent(bytes, options) {
      return rpc.call(async (connection) => {
        const lamports = await connection.getMinimumBalanceForRentExemption(bytes);
        // The library's word for an error of the node.
        if (lamports <= 0) throw Object.assign(new Error('it states no rent'), { code: -32603 });
        return BigInt(lamports);
      }, options);
    },
    async now(options) {
      const clock = await readAccount(rpc, SYSVAR_CLOCK_PUBKEY, options);
      if (clock === null || clock.data.length < unixTimeOffset + 8) throw rpc.failure(new Error('it has no clock'));
      return Number(clock.data.readBigInt64LE(unixTimeOffset)) * 1_000;
    },
  };
}
