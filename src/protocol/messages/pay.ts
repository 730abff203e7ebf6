import * as v from 'valibot';
import { digest, text } from './fields.ts';

/**
 * Where payment is taken: CAIP-2 `chain`, escrow `program`, `payee` the authority of the provider's account (section
 * 3).
 */
export interface Pay {
  readonly chain: string;
  readonly program: Uint8Array;
  readonly payee: Uint8Array;
}

export const pay = v.strictObject({ chain: text, program: digest, payee: digest });
