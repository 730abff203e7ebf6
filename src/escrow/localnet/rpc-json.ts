import { getCompiledTransactionMessageDecoder, getTransactionDecoder } from '@solana/kit';
import { fromBase58 } from '../../protocol/base58.ts';
import { addressText } from '../addresses.ts';
import type { ChainAccount } from './chain-account.ts';
import type { StoredTransaction } from './ledger.ts';
import { RpcError, rpcCodes } from './rpc-params.ts';

interface AccountOptions {
  readonly encoding?: string | undefined;
  readonly dataSlice?: { readonly offset: number; readonly length: number } | null | undefined;
}

type AccountFilter =
  | {
      readonly memcmp: {
        readonly offset: number;
        readonly bytes: string;
        readonly encoding?: 'base58' | 'base64' | undefined;
      };
    }
  | { readonly dataSize: number };

/** Longest data that is shown in base58, as on a cluster. */
const maxBase58Bytes = 128;

/** An account as the JSON-RPC shows it. @throws RpcError for an encoding that it cannot be shown in */
export function accountJson(account: ChainAccount, options: AccountOptions | null | undefined) {
  const slice = options?.dataSlice;
  const data = slice == null ? account.data : account.data.subarray(slice.offset, slice.offset + slice.length);
  return {
    lamports: Number(account.lamports),
    owner: account.owner,
    executable: account.executable,
    rentEpoch: Number.MAX_SAFE_INTEGER,
    space: account.data.length,
    data: encoded(data, options?.encoding),
  };
}

function encoded(data: Uint8Array, encoding: string | undefined): unknown {
  switch (encoding) {
    case 'base64':
    case 'jsonParsed':
      return [Buffer.from(data).toString('base64'), 'base64'];
    case 'base58':
    case undefined:
      if (data.length > maxBase58Bytes)
        throw new RpcError(
          rpcCodes.request,
          'Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.',
        );
      return encoding === undefined ? addressText(data) : [addressText(data), 'base58'];
    default:
      throw new RpcError(rpcCodes.params, `Invalid params: the encoding ${encoding} is not known here`);
  }
}

export function matches(account: ChainAccount, filter: AccountFilter): boolean {
  if ('dataSize' in filter) return account.data.length === filter.dataSize;
  const { offset, bytes, encoding } = filter.memcmp;
  const wanted = encoding === 'base64' ? Buffer.from(bytes, 'base64') : fromBase58(bytes);
  if (wanted === null) throw new RpcError(rpcCodes.params, 'Invalid params: expected the bytes of memcmp in base58');
  return Buffer.from(account.data.subarray(offset, offset + wanted.length)).equals(wanted);
}

/** A transaction as the JSON-RPC shows it. */
export function transactionJson(stored: StoredTransaction, encoding: 'json' | 'base64') {
  const meta = {
    err: stored.err,
    status: stored.err === null ? { Ok: null } : { Err: stored.err },
    fee: stored.fee,
    preBalances: stored.pre.map(Number),
    postBalances: stored.post.map(Number),
    preTokenBalances: [],
    postTokenBalances: [],
    innerInstructions: [],
    logMessages: stored.logs,
    loadedAddresses: { writable: [], readonly: [] },
    rewards: [],
    computeUnitsConsumed: stored.units,
  };
  const { message, version, signatures } = messageJson(stored);
  const transaction = encoding === 'json' ? { signatures, message } : [stored.raw ?? '', 'base64'];
  return { slot: stored.slot, blockTime: stored.time, version, meta, transaction };
}

function messageJson({ raw, keys, signature }: StoredTransaction) {
  // Lamports that the chain gave away came without a transaction.
  if (raw === null) {
    const header = { numRequiredSignatures: 0, numReadonlySignedAccounts: 0, numReadonlyUnsignedAccounts: 0 };
    return {
      version: 'legacy',
      signatures: [signature],
      message: { header, accountKeys: keys, recentBlockhash: '1'.repeat(32), instructions: [] },
    };
  }
  const transaction = getTransactionDecoder().decode(Buffer.from(raw, 'base64'));
  const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
  const { numSignerAccounts, numReadonlySignerAccounts, numReadonlyNonSignerAccounts } = message.header;
  const instructions = 'instructions' in message ? message.instructions : [];
  return {
    version: message.version,
    signatures: Object.values(transaction.signatures).map((bytes) => addressText(bytes ?? new Uint8Array(64))),
    message: {
      header: {
        numRequiredSignatures: numSignerAccounts,
        numReadonlySignedAccounts: numReadonlySignerAccounts,
        numReadonlyUnsignedAccounts: numReadonlyNonSignerAccounts,
      },
      accountKeys: message.staticAccounts,
      recentBlockhash: message.lifetimeToken,
      instructions: instructions.map(({ programAddressIndex, accountIndices = [], data = new Uint8Array() }) => ({
        programIdIndex: programAddressIndex,
        accounts: accountIndices,
        data: addressText(new Uint8Array(data)),
        stackHeight: null,
      })),
      ...(message.version === 'legacy' ? {} : { addressTableLookups: [] }),
    },
  };
}
