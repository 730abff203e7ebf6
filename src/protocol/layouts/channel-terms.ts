import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from '../../lib/bytes.ts';
import { MalformedError } from '../encoding/malformed-error.ts';
import { tag } from '../encoding/tag.ts';
import { BodyReader, BodyWriter } from './body.ts';

/** Section 9: the terms of a channel, as its provider signs them. Keys and digests are 32 bytes, times unix seconds. */
export interface ChannelTerms {
  readonly version: 1;
  /** Genesis hash of the chain. */
  readonly chain: Uint8Array;
  readonly program: Uint8Array;
  /** Wallet that deposits. */
  readonly payer: Uint8Array;
  /** Authority of the provider's account, which is paid. */
  readonly authority: Uint8Array;
  /** Keys of the two nodes. */
  readonly provider: Uint8Array;
  readonly client: Uint8Array;
  readonly depositLamports: bigint;
  /** Most that may be committed, not released or under way before the provider takes no further job. */
  readonly windowLamports: bigint;
  readonly expiresAt: bigint;
  /** When the terms themselves end: the channel is opened before. */
  readonly validUntil: bigint;
  /** 16 bytes */
  readonly nonce: Uint8Array;
}

const channelTag = tag('qvac/chanid/1');

/** Section 9: the name of a channel. */
export function channelIdOf(termsBody: Uint8Array): Uint8Array {
  return sha256(concat(channelTag, termsBody));
}

/** Section 9's body of channel terms, 241 bytes. @throws MalformedError for a field out of range */
export function encodeChannelTerms(terms: ChannelTerms): Uint8Array {
  checkTerms(terms);
  return new BodyWriter('terms', 241)
    .u8(1)
    .digest(terms.chain)
    .digest(terms.program)
    .digest(terms.payer)
    .digest(terms.authority)
    .digest(terms.provider)
    .digest(terms.client)
    .u64(terms.depositLamports)
    .u64(terms.windowLamports)
    .u64(terms.expiresAt)
    .u64(terms.validUntil)
    .bytes(terms.nonce, 16)
    .body();
}

/** @throws MalformedError for another length or version, or a window above the deposit */
export function decodeChannelTerms(body: Uint8Array): ChannelTerms {
  const reader = new BodyReader('terms', body);
  const version = reader.u8();
  if (version !== 1) throw new MalformedError(`terms: version expected 1, got ${version}`);
  const terms: ChannelTerms = {
    version,
    chain: reader.digest(),
    program: reader.digest(),
    payer: reader.digest(),
    authority: reader.digest(),
    provider: reader.digest(),
    client: reader.digest(),
    depositLamports: reader.u64(),
    windowLamports: reader.u64(),
    expiresAt: reader.u64(),
    validUntil: reader.u64(),
    nonce: reader.bytes(16),
  };
  reader.end();
  checkTerms(terms);
  return terms;
}

function checkTerms({ depositLamports, windowLamports }: ChannelTerms): void {
  if (windowLamports > depositLamports)
    throw new MalformedError(`terms: window ${windowLamports} above deposit ${depositLamports}`);
}
