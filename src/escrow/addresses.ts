import { PublicKey } from '@solana/web3.js';
import { QvacError } from '../errors.ts';
import { utf8 } from '../lib/bytes.ts';
import { decodeAddress, toBase58 } from '../protocol/base58.ts';

/** Where the program lies unless the configuration names another address: the SHA-256 of "qvac/escrow/1". */
export const defaultProgramText = 'FSYL7pJUxeZnou43ozsVScWPvh32ScJ7p8Hu3UT8Fw78';

/** An account's address as people read it: base58. */
export function addressText(address: Uint8Array): string {
  return toBase58(address);
}

/**
 * The 32 bytes of an address in base58.
 * @param what names the thing in the error line, like "--payee"
 * @throws QvacError E_USAGE for anything else
 */
export function parseAddress(text: string, what = 'address'): Uint8Array {
  const bytes = decodeAddress(text);
  if (bytes === null)
    throw new QvacError('E_USAGE', `${what}: expected a Solana address (base58), got "${text.slice(0, 60)}"`);
  return bytes;
}

/** CAIP-2 id of the chain with this genesis hash (base58): `solana:` and its first 32 characters. */
export function chainOfGenesis(genesisHash: string): string {
  return `solana:${genesisHash.slice(0, 32)}`;
}

/** The chains that have a name of their own, by CAIP-2 id. */
export const chainNames: Readonly<Record<string, string>> = {
  'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp': 'Solana mainnet',
  'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1': 'Solana devnet',
  'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z': 'Solana testnet',
};

function derive(program: Uint8Array, seeds: readonly Uint8Array[]): Uint8Array {
  return PublicKey.findProgramAddressSync([...seeds], new PublicKey(program))[0].toBytes();
}

/** Where the program keeps the provider that `authority` registered. */
export function providerAddress(program: Uint8Array, authority: Uint8Array): Uint8Array {
  return derive(program, [utf8('provider'), authority]);
}

/** Where the program keeps the job `jobId` (32 bytes) of the wallet `client`. */
export function jobAddress(program: Uint8Array, client: Uint8Array, jobId: Uint8Array): Uint8Array {
  return derive(program, [utf8('job'), client, jobId]);
}
