import { getCompiledTransactionMessageDecoder, getTransactionDecoder, type Transaction } from '@solana/kit';
import { messageOf } from '../../errors.ts';
import { addressText } from '../addresses.ts';

/** A transaction as it was sent. */
export interface SignedTransaction {
  /** For the runtime. */
  readonly transaction: Transaction;
  /** base58; the first one, by which it is known. */
  readonly signature: string;
  readonly blockhash: string;
  /** Addresses of the accounts that it names. */
  readonly keys: readonly string[];
}

/** @throws RangeError for bytes that are no transaction, or one that this chain does not know */
export function decodeTransaction(raw: Uint8Array): SignedTransaction {
  try {
    const transaction = getTransactionDecoder().decode(raw);
    const message = getCompiledTransactionMessageDecoder().decode(transaction.messageBytes);
    if ('addressTableLookups' in message && (message.addressTableLookups?.length ?? 0) > 0)
      throw new RangeError('address lookup tables are not known here');
    const [signature] = Object.values(transaction.signatures);
    if (signature == null) throw new RangeError('it is not signed');
    return {
      transaction,
      signature: addressText(signature),
      blockhash: message.lifetimeToken,
      keys: message.staticAccounts,
    };
  } catch (error) {
    const [why = ''] = messageOf(error).split('\n');
    throw new RangeError(`"transaction" expected a signed transaction (${why})`);
  }
}
