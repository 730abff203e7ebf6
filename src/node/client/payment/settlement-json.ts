import { base58btc } from 'multiformats/bases/base58';
import type { Settlement } from './payments.ts';

/** A settlement as receipts and programs have it: amounts are decimal texts of lamports. */
export function settlementJson({ state, chain, account, locked, paid, refunded, burnt, compensation, signature, dueAt }: Settlement) {
  return {
    state,
    chain,
    job: base58btc.baseEncode(account),
    locked: locked.toString(),
    paid: paid.toString(),
    refunded: refunded.toString(),
    burnt: burnt.toString(),
    compensation: compensation.toString(),
    signature,
    dueAt,
  };
}
