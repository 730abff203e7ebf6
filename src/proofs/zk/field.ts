import { toHex } from '../../lib/bytes.ts';

/** The order of the scalar field of BN254. */
export const fieldOrder = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** 32 big-endian bytes as an integer. */
export function toInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** Whether 32 big-endian bytes are a field element. */
export function isFieldElement(bytes: Uint8Array): boolean {
  return bytes.length === 32 && toInteger(bytes) < fieldOrder;
}

/** A field element as 32 big-endian bytes. */
export function toBytes(element: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let at = 31, rest = element; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}
