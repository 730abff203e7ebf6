import { Ed25519Program, TransactionInstruction } from '@solana/web3.js';
import { concat } from '../../lib/bytes.ts';

/** An Ed25519 signature by a node, for the runtime to verify. */
export interface NodeSignature {
  /** 32 bytes */
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  /** 64 bytes */
  readonly signature: Uint8Array;
}

const headerBytes = 2;
const entryBytes = 14;
/** As the index of an instruction: this one. */
const thisInstruction = 0xffff;

/**
 * An instruction of the ed25519 program that verifies all `signatures`, and carries everything that it verifies itself.
 * It has to come directly before the instruction that relies on it. Signatures by one key share its bytes.
 */
export function verifySignatures(signatures: readonly NodeSignature[]): TransactionInstruction {
  const offsets = new Map<Uint8Array, number>();
  let end = headerBytes + entryBytes * signatures.length;
  const place = (bytes: Uint8Array): number => {
    const known = offsets.get(bytes);
    if (known !== undefined) return known;
    offsets.set(bytes, end);
    end += bytes.length;
    return end - bytes.length;
  };
  const entries = signatures.map(({ key, message, signature }) => {
    const fields = [
      place(signature),
      thisInstruction,
      place(key),
      thisInstruction,
      place(message),
      message.length,
      thisInstruction,
    ];
    const entry = new DataView(new ArrayBuffer(entryBytes));
    for (const [index, field] of fields.entries()) entry.setUint16(2 * index, field, true);
    return new Uint8Array(entry.buffer);
  });
  const data = concat(Uint8Array.of(signatures.length, 0), ...entries, ...offsets.keys());
  return new TransactionInstruction({ programId: Ed25519Program.programId, keys: [], data: Buffer.from(data) });
}
