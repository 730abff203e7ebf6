import { sha256 } from '@noble/hashes/sha2.js';
import { messageOf } from '../errors.ts';
import { decodeAddress, toBase58 } from '../protocol/base58.ts';
import type { Purpose } from './purpose.ts';

/** What a transaction that a wallet is to sign really does, read from its bytes. */
export interface Decoded {
  /** Who pays its fee, base58. */
  readonly feePayer: string;
  readonly program: string;
  readonly call: Purpose['kind'];
  /** Accounts of the call, in the program's order. */
  readonly accounts: readonly string[];
  /** Of `job_create` alone. */
  readonly terms: { readonly job: string; readonly amount: bigint; readonly provider: string } | null;
}

/** The first 8 bytes of a call's data: the SHA-256 of `global:` and its name. Several instructions take a stake. */
const calls: readonly (readonly [name: string, kind: Purpose['kind']])[] = [
  ['job_create', 'job_create'],
  ['job_reject', 'job_reject'],
  ['job_refund', 'job_refund'],
  ['job_confirm', 'job_confirm'],
  ['job_claim', 'job_claim'],
  ['slash_equivocation', 'job_slash'],
  ['slash_head_mismatch', 'job_slash'],
  ['slash_sampler', 'job_slash'],
];

/** Programs whose instructions move nothing: a priority fee is set, a node's signature verified. */
const harmless: ReadonlySet<string> = new Set([
  'ComputeBudget111111111111111111111111111111',
  'Ed25519SigVerify111111111111111111111111111',
]);

/** Reads forwards; what is too short is an error, not a zero. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    if (part.length !== length) throw new Error('the transaction is cut short');
    this.#at += length;
    return part;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  /** A length as transactions have it: 7 bits a byte, the lowest first. */
  length(): number {
    let value = 0;
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new Error('the transaction has no such length');
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
}

/**
 * A legacy transaction with one call of the escrow program in it.
 * @throws Error for anything else
 */
export function decodeTransaction(transaction: Uint8Array): Decoded {
  const reader = new Reader(transaction);
  reader.take(64 * reader.length());
  if (reader.byte() !== 1) throw new Error('it wants more than your signature');
  reader.take(2);
  const keys = Array.from({ length: reader.length() }, () => toBase58(reader.take(32)));
  reader.take(32);
  const keyAt = (index: number): string => {
    const key = keys[index];
    if (key === undefined) throw new Error('the transaction names an account that it does not have');
    return key;
  };
  const instructions = Array.from({ length: reader.length() }, () => {
    const program = keyAt(reader.byte());
    const accounts = Array.from(reader.take(reader.length()), keyAt);
    return { program, accounts, data: reader.take(reader.length()) };
  });
  if (reader.left !== 0) throw new Error('there is more in the transaction than it says');
  const [instruction, ...others] = instructions.filter(({ program }) => !harmless.has(program));
  if (instruction === undefined || others.length > 0) throw new Error('it does something besides what you were asked');
  const { program, accounts, data } = instruction;
  const call = calls.find(([name]) =>
    startsWith(data, sha256(new TextEncoder().encode(`global:${name}`)).subarray(0, 8)),
  )?.[1];
  if (call === undefined) throw new Error('it is no transaction of the escrow program');
  return { feePayer: keyAt(0), program, call, accounts, terms: call === 'job_create' ? termsIn(data) : null };
}

function startsWith(data: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, at) => data[at] === byte);
}

function termsIn(data: Uint8Array): NonNullable<Decoded['terms']> {
  const reader = new Reader(data.subarray(8));
  const job = [...reader.take(32)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const peer = reader.take(32);
  reader.take(32 + 8 + 8);
  const amount = reader.take(8).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  // An Ed25519 key as a peer id: the identity multihash of its protobuf.
  const provider = toBase58(Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...peer]));
  return { job, amount, provider };
}

/** Whether the program keeps what it knows of `authority` at `account`: the address is a hash of both. */
export function isAccountOf(account: string, authority: string, program: string): boolean {
  const owner = decodeAddress(authority);
  return owner !== null && isDerived(account, program, [...new TextEncoder().encode('provider'), ...owner]);
}

/** Whether the program keeps the job (hex) of `wallet` at `account`. */
function isJobOf(account: string, wallet: string, job: string, program: string): boolean {
  const client = decodeAddress(wallet);
  const id = (job.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return client !== null && isDerived(account, program, [...new TextEncoder().encode('job'), ...client, ...id]);
}

/** An address that a program derives from `seeds` is their hash, with a byte that keeps it off the curve. */
function isDerived(account: string, program: string, seeds: readonly number[]): boolean {
  const [address, programId] = [decodeAddress(account), decodeAddress(program)];
  if (address === null || programId === null) return false;
  const end = [...programId, ...new TextEncoder().encode('ProgramDerivedAddress')];
  for (let bump = 255; bump >= 0; bump--) {
    const hash = sha256(Uint8Array.from([...seeds, bump, ...end]));
    if (hash.every((byte, at) => byte === address[at])) return true;
  }
  return false;
}

export interface Expected {
  readonly wallet: string;
  /** Of the escrow, as the gateway names it. */
  readonly program: string;
  /** The most that this person lets an answer cost, lamports. */
  readonly limit: bigint;
}

/** Why `transaction` is not what `purpose` says, or null. Never throws. */
export function objection(
  transaction: Uint8Array,
  purpose: Purpose,
  { wallet, program, limit }: Expected,
): string | null {
  let decoded: Decoded;
  try {
    decoded = decodeTransaction(transaction);
  } catch (error) {
    return messageOf(error);
  }
  if (decoded.call !== purpose.kind) return 'it does something else than you were asked';
  if (decoded.feePayer !== wallet || decoded.accounts[0] !== wallet) return 'it is about another wallet’s money';
  if (decoded.program !== program) return 'it goes to another program';
  // A claim names the wallet that is paid first, and then the provider's account.
  const account =
    purpose.kind === 'job_confirm' || purpose.kind === 'job_claim' ? decoded.accounts[2] : decoded.accounts[1];
  if (!isAccountOf(account ?? '', purpose.payee, program)) return 'it names another payee';
  const jobAt = purpose.kind === 'job_create' || purpose.kind === 'job_refund' ? 2 : 3;
  if (!isJobOf(decoded.accounts[jobAt] ?? '', wallet, purpose.job, program)) return 'it is for another job';
  if (purpose.kind !== 'job_create' || decoded.terms === null) return null;
  const { job, amount, provider } = decoded.terms;
  if (job !== purpose.job || provider !== purpose.provider) return 'it is for another job';
  if (amount !== BigInt(purpose.amount)) return 'it locks another amount';
  return amount > limit ? 'it locks more than your limit' : null;
}
