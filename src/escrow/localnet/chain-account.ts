import { type EncodedAccount, address as toAddress, lamports as toLamports } from '@solana/kit';
import type { StoredAccount } from './ledger.ts';

/** An account that exists. */
export interface ChainAccount {
  readonly address: string;
  readonly lamports: bigint;
  readonly owner: string;
  readonly executable: boolean;
  readonly data: Uint8Array;
}

/** As the runtime has it. */
export function accountOf(account: EncodedAccount): ChainAccount {
  return {
    address: account.address,
    lamports: account.lamports,
    owner: account.programAddress,
    executable: account.executable,
    data: new Uint8Array(account.data),
  };
}

/** For the ledger. */
export function storedOf({ lamports, owner, executable, data }: ChainAccount): StoredAccount {
  return { lamports: String(lamports), owner, executable, data: Buffer.from(data).toString('base64') };
}

/** From the ledger, for the runtime. */
export function encodedOf(address: string, account: StoredAccount): EncodedAccount {
  const data = new Uint8Array(Buffer.from(account.data, 'base64'));
  return {
    address: toAddress(address),
    lamports: toLamports(BigInt(account.lamports)),
    programAddress: toAddress(account.owner),
    executable: account.executable,
    space: BigInt(data.length),
    data,
  };
}
