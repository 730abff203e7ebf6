import { base58btc } from 'multiformats/bases/base58';

/** The longest base58 text of 32 bytes. */
const maxAddressLength = 44;

/** Encodes an address or a peer id in base58. */
export function toBase58(bytes: Uint8Array): string {
  return base58btc.baseEncode(bytes);
}

/** The 32 bytes of an address; null for any other text. */
export function addressBytes(text: string): Uint8Array | null {
  if (text.length > maxAddressLength) return null;
  try {
    const bytes = base58btc.baseDecode(text);
    return bytes.length === 32 ? bytes : null;
  } catch {
    return null;
  }
}
