import { base58btc } from 'multiformats/bases/base58';

/** Of a transaction of 1,232 bytes, the largest there is. Decoding time grows with the square of the length. */
const maxTextLength = 2_000;
const addressByteLength = 32;

/** `bytes` in base58, the form of Solana addresses and of peer ids (section 1). */
export function toBase58(bytes: Uint8Array): string {
  return base58btc.baseEncode(bytes);
}

/** The bytes of a base58 text, or null for any other text and for one of more than 2,000 characters. */
export function fromBase58(text: string): Uint8Array | null {
  // The decoder takes a character beyond Latin-1 for a digit.
  return text.length <= maxTextLength && /^[1-9A-HJ-NP-Za-km-z]*$/.test(text) ? base58btc.baseDecode(text) : null;
}

/** The 32 bytes of a Solana address, or null for any other text. */
export function decodeAddress(text: string): Uint8Array | null {
  const bytes = fromBase58(text);
  return bytes?.length === addressByteLength ? bytes : null;
}
