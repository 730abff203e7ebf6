import { sha256 } from '@noble/hashes/sha2.js';
import { messageOf } from '../errors.ts';
import { concat, toHex } from '../lib/bytes.ts';
import { decodeAddress, toBase58 } from '../protocol/base58.ts';
import { tag } from '../protocol/encoding/tag.ts';
import { decodeOffer } from '../protocol/layouts/offer.ts';
import { sol } from './labels.ts';
import {
  computeBudgetProgram,
  maxPriorityFeeLamports,
  type NetworkFee,
  networkFeeOf,
  signatureProgram,
} from './network-fee.ts';
import type { Purpose } from './purpose.ts';

/** What a transaction really does, read from its bytes. */
export interface Decoded {
  /** Pays the transaction's fee; base58. */
  readonly feePayer: string;
  readonly program: string;
  readonly call: Purpose['kind'];
  /** Accounts of the call, in the program's order. */
  readonly accounts: readonly string[];
  /** What the offer in it says; of `job_create` only. */
  readonly offer: OfferedJob | null;
  readonly fee: NetworkFee;
}

interface OfferedJob {
  /** Hex. */
  readonly job: string;
  /** Lamports. */
  readonly amount: bigint;
  /** Peer id. */
  readonly provider: string;
  /** The wallet that pays; base58. */
  readonly payer: string;
}

/** The first 8 bytes of a call's data are those of SHA-256(`global:` ‖ name). Two instructions slash a stake. */
const calls: readonly (readonly [name: string, kind: Purpose['kind']])[] = [
  ['job_create', 'job_create'],
  ['job_reject', 'job_reject'],
  ['job_refund', 'job_refund'],
  ['job_confirm', 'job_confirm'],
  ['slash_equivocation', 'job_slash'],
  ['slash_sampler', 'job_slash'],
];

/** Places of the accounts that each call names: of the paying wallet, the provider and the job. */
const places: Readonly<
  Record<Purpose['kind'], { readonly client: number; readonly provider: number | null; readonly job: number }>
> = {
  job_create: { client: 0, provider: 1, job: 2 },
  job_reject: { client: 0, provider: 2, job: 4 },
  // Gives everything back to the client, so it names no provider.
  job_refund: { client: 1, provider: null, job: 2 },
  job_confirm: { client: 1, provider: 2, job: 3 },
  job_slash: { client: 0, provider: 2, job: 4 },
};

/** Programs whose instructions move no money: they set the priority fee or verify a node's signature. */
const harmless: ReadonlySet<string> = new Set([computeBudgetProgram, signatureProgram]);

/** Reads bytes in order; throws when there are too few. */
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

  /** Solana's compact-u16 length: 7 bits per byte, lowest first. */
  length(): number {
    let value = 0;
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new Error('the transaction has a malformed length');
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
}

/**
 * Decodes a legacy transaction with exactly one call of the escrow program.
 * @throws Error for anything else
 */
export function decodeTransaction(transaction: Uint8Array): Decoded {
  const reader = new Reader(transaction);
  reader.take(64 * reader.length());
  if (reader.byte() !== 1) throw new Error('it needs more signatures than yours');
  reader.take(2);
  const keys = Array.from({ length: reader.length() }, () => toBase58(reader.take(32)));
  reader.take(32);
  const keyAt = (index: number): string => {
    const key = keys[index];
    if (key === undefined) throw new Error('the transaction refers to a missing account');
    return key;
  };
  const instructions = Array.from({ length: reader.length() }, () => {
    const program = keyAt(reader.byte());
    const accounts = Array.from(reader.take(reader.length()), keyAt);
    return { program, accounts, data: reader.take(reader.length()) };
  });
  if (reader.left !== 0) throw new Error('the transaction has trailing bytes');
  const [instruction, ...others] = instructions.filter(({ program }) => !harmless.has(program));
  if (instruction === undefined || others.length > 0) throw new Error('it does more than you were asked to sign');
  const { program, accounts, data } = instruction;
  const call = calls.find(([name]) =>
    startsWith(data, sha256(new TextEncoder().encode(`global:${name}`)).subarray(0, 8)),
  )?.[1];
  if (call === undefined) throw new Error('it is not a transaction of the escrow program');
  const offer = call === 'job_create' ? offerIn(data) : null;
  return { feePayer: keyAt(0), program, call, fee: networkFeeOf(instructions), accounts, offer };
}

function startsWith(data: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, at) => data[at] === byte);
}

/** Behind the name of the call: the length as u32, little-endian, and the offer's body. */
function offerIn(data: Uint8Array): OfferedJob {
  const reader = new Reader(data.subarray(8));
  const length = reader.take(4).reduceRight((sum, byte) => sum * 256 + byte, 0);
  const body = reader.take(length);
  if (reader.left !== 0) throw new Error('the call has trailing bytes');
  const { provider, payment } = decodeOffer(body);
  return {
    job: toHex(sha256(concat(tag('qvac/job/1'), body))),
    amount: payment.amountLamports,
    // The peer id of an Ed25519 key: the identity multihash of its protobuf.
    provider: toBase58(Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...provider])),
    payer: toBase58(payment.account),
  };
}

/** Whether `account` is the program's account for the provider `authority`. */
export function isAccountOf(account: string, authority: string, program: string): boolean {
  const owner = decodeAddress(authority);
  return owner !== null && isDerived(account, program, [...new TextEncoder().encode('provider'), ...owner]);
}

/** Whether `account` is the program's account for the job (hex) of `wallet`. */
function isJobOf(account: string, wallet: string, job: string, program: string): boolean {
  const client = decodeAddress(wallet);
  const id = (job.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return client !== null && isDerived(account, program, [...new TextEncoder().encode('job'), ...client, ...id]);
}

/** A program-derived address is the hash of its seeds and a bump byte that keeps it off the curve. */
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

export interface ExpectedTransaction {
  readonly wallet: string;
  /** The escrow program, as the gateway names it. */
  readonly program: string;
  /** The most that this person lets an answer cost, lamports. */
  readonly limit: bigint;
}

/** Why `transaction` differs from `purpose`, or null. Never throws. */
export function objection(
  transaction: Uint8Array,
  purpose: Purpose,
  { wallet, program, limit }: ExpectedTransaction,
): string | null {
  let decoded: Decoded;
  try {
    decoded = decodeTransaction(transaction);
  } catch (error) {
    return messageOf(error);
  }
  if (decoded.call !== purpose.kind) return 'it does something other than what you were asked to sign';
  const { client, provider: payeeAt, job: jobAt } = places[purpose.kind];
  if (decoded.feePayer !== wallet || decoded.accounts[client] !== wallet) return 'it moves another wallet’s money';
  if (decoded.program !== program) return 'it calls another program';
  if (decoded.fee.priority > maxPriorityFeeLamports)
    return `its priority fee of ${sol(decoded.fee.priority)} is above ${sol(maxPriorityFeeLamports)}`;
  if (payeeAt !== null && !isAccountOf(decoded.accounts[payeeAt] ?? '', purpose.payee, program))
    return 'it pays someone else';
  if (!isJobOf(decoded.accounts[jobAt] ?? '', wallet, purpose.job, program)) return 'it is for another job';
  if (purpose.kind !== 'job_create' || decoded.offer === null) return null;
  const { job, amount, provider, payer } = decoded.offer;
  if (job !== purpose.job || provider !== purpose.provider) return 'it is for another job';
  if (payer !== wallet) return 'it moves another wallet’s money';
  if (amount !== BigInt(purpose.amount)) return 'it locks another amount';
  return amount > limit ? 'it locks more than your limit' : null;
}
