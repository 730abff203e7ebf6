import type { Program } from '@coral-xyz/anchor';
import { PublicKey, SYSVAR_INSTRUCTIONS_PUBKEY, SystemProgram, type TransactionInstruction } from '@solana/web3.js';
import BN from 'bn.js';
import type { Escrow as EscrowIdl } from '../../../../programs/escrow/artifacts/escrow.ts';
import { providerAddress } from '../../addresses.ts';
import { incineratorText } from '../../constants.ts';
import { type NodeSignature, verifySignatures } from '../ed25519.ts';

/** What one transaction does: the program's instruction, after the verification of what nodes signed for it. */
export interface Call {
  readonly instructions: readonly TransactionInstruction[];
  /** Signatures that the network verifies and charges for, besides the wallet's. */
  readonly nodeSignatures: number;
}

/** What the calls of one wallet are made with. */
export interface Context {
  readonly program: Program<EscrowIdl>;
  readonly programId: Uint8Array;
  readonly wallet: Uint8Array;
}

export const incinerator = new PublicKey(incineratorText);
export const systemProgram = SystemProgram.programId;
export const instructionsSysvar = SYSVAR_INSTRUCTIONS_PUBKEY;

export const numbers = (bytes: Uint8Array): number[] => [...bytes];
export const bn = (value: bigint): BN => new BN(value.toString());
export const key = (bytes: Uint8Array): PublicKey => new PublicKey(bytes);

export const providerKey = ({ programId }: Context, authority: Uint8Array): PublicKey =>
  key(providerAddress(programId, authority));

/** A call without signatures of nodes. */
export async function only(instruction: Promise<TransactionInstruction>): Promise<Call> {
  return { instructions: [await instruction], nodeSignatures: 0 };
}

/** A call that relies on `signatures`. */
export async function after(
  signatures: readonly NodeSignature[],
  instruction: Promise<TransactionInstruction>,
): Promise<Call> {
  return { instructions: [verifySignatures(signatures), await instruction], nodeSignatures: signatures.length };
}
