import { sha256 } from '@noble/hashes/sha2.js';
import { concat, toHex } from '../lib/bytes.ts';
import { toBase58 } from '../protocol/base58.ts';
import { modes } from '../protocol/codes.ts';
import { tag } from '../protocol/encoding/tag.ts';
import { channelIdOf, decodeChannelTerms } from '../protocol/layouts/channel-terms.ts';
import { decodeOffer } from '../protocol/layouts/offer.ts';
import { computeBudgetProgram, type NetworkFee, networkFeeOf, signatureProgram } from './network-fee.ts';
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
  /** The terms in it; of `channel_open` only. */
  readonly terms: OfferedChannel | null;
  /** What it adds to a deposit, lamports; of `channel_top_up` only. */
  readonly added: bigint | null;
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
  /** A referee's job, not an answer. */
  readonly isScore: boolean;
}

interface OfferedChannel {
  /** Hex. */
  readonly channel: string;
  /** Lamports. */
  readonly deposit: bigint;
  /** Unix ms. */
  readonly expiresAt: number;
  /** The wallets that deposit and are paid, and the program; base58. */
  readonly payer: string;
  readonly payee: string;
  readonly program: string;
  /** Peer ids of the node that answers, and of the one that acknowledges answers. */
  readonly provider: string;
  readonly client: string;
  /** CAIP-2 */
  readonly chain: string;
}

/** The first 8 bytes of a call's data are those of SHA-256(`global:` ‖ name). */
const callNames = [
  'job_create',
  'job_reject',
  'job_refund',
  'job_confirm',
  'channel_open',
  'channel_top_up',
  'channel_request_close',
  'channel_reject',
  'channel_finish',
  'evidence_create',
  'evidence_close',
] as const satisfies readonly Purpose['kind'][];
/** Slash a stake, with a job or with the evidence of a channel: an account that is not given is the program itself. */
const slashNames = ['slash_equivocation', 'slash_sampler'];
const slashedJobAt = 4;

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
  const call = callOf(instruction);
  if (call === null) throw new Error('it is not a transaction of the escrow program');
  return {
    feePayer: keyAt(0),
    program,
    call,
    fee: networkFeeOf(instructions),
    accounts,
    offer: call === 'job_create' ? offerIn(data) : null,
    terms: call === 'channel_open' ? termsIn(data) : null,
    added: call === 'channel_top_up' ? amountIn(data) : null,
  };
}

/** As `decodeTransaction`; null if it cannot be read. */
export function readTransaction(transaction: Uint8Array): Decoded | null {
  try {
    return decodeTransaction(transaction);
  } catch {
    return null;
  }
}

function callOf({ program, accounts, data }: Pick<Decoded, 'program' | 'accounts'> & { readonly data: Uint8Array }) {
  const isCalled = (name: string): boolean =>
    sha256(new TextEncoder().encode(`global:${name}`))
      .subarray(0, 8)
      .every((byte, at) => data[at] === byte);
  if (slashNames.some(isCalled)) return accounts[slashedJobAt] === program ? 'channel_slash' : 'job_slash';
  return callNames.find(isCalled) ?? null;
}

/** Behind the name of the call: the length as u32, little-endian, and the offer's body. */
function offerIn(data: Uint8Array): OfferedJob {
  const reader = new Reader(data.subarray(8));
  const length = reader.take(4).reduceRight((sum, byte) => sum * 256 + byte, 0);
  const body = reader.take(length);
  if (reader.left !== 0) throw new Error('the call has trailing bytes');
  const { provider, payment, mode } = decodeOffer(body);
  return {
    job: toHex(sha256(concat(tag('qvac/job/1'), body))),
    amount: payment.amountLamports,
    provider: peerIdOf(provider),
    payer: toBase58(payment.account),
    isScore: mode === modes.score,
  };
}

/** Behind the name of the call: the body of the terms. */
function termsIn(data: Uint8Array): OfferedChannel {
  const body = data.subarray(8);
  const terms = decodeChannelTerms(body);
  return {
    channel: toHex(channelIdOf(body)),
    deposit: terms.depositLamports,
    expiresAt: Number(terms.expiresAt) * 1_000,
    payer: toBase58(terms.payer),
    payee: toBase58(terms.authority),
    program: toBase58(terms.program),
    provider: peerIdOf(terms.provider),
    client: peerIdOf(terms.client),
    chain: `solana:${toBase58(terms.chain).slice(0, 32)}`,
  };
}

/** Behind the name of the call: a u64, little-endian. */
function amountIn(data: Uint8Array): bigint {
  const reader = new Reader(data.subarray(8));
  const amount = reader.take(8).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  if (reader.left !== 0) throw new Error('the call has trailing bytes');
  return amount;
}

/** The peer id of an Ed25519 key: the identity multihash of its protobuf. */
function peerIdOf(key: Uint8Array): string {
  return toBase58(Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...key]));
}
