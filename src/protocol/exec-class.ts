import { sha256 } from '@noble/hashes/sha2.js';
import { encodeCbor } from './codec.ts';
import type { Exec } from './messages.ts';

/** Section 2: everything that can change the bits of a logit, as one digest. */
export function execClassOf(exec: Exec): Uint8Array {
  return sha256(encodeCbor(exec));
}
