import { sha256 } from '@noble/hashes/sha2.js';
import { decodeAddress } from '../protocol/base58.ts';

/** Whether `account` is the program's account for the provider `authority`. */
export function isAccountOf(account: string, authority: string, program: string): boolean {
  const owner = decodeAddress(authority);
  return owner !== null && isDerived(account, program, [...nameOf('provider'), ...owner]);
}

/** Whether `account` is the program's account for the job (hex) of `wallet`. */
export function isJobOf(account: string, wallet: string, job: string, program: string): boolean {
  const client = decodeAddress(wallet);
  return client !== null && isDerived(account, program, [...nameOf('job'), ...client, ...bytesOf(job)]);
}

/** Whether `account` is the program's account for the channel (hex). */
export function isChannelAccount(account: string, channel: string, program: string): boolean {
  return isDerived(account, program, [...nameOf('channel'), ...bytesOf(channel)]);
}

/** Whether `account` is the program's account for evidence about the job (hex) in the channel at that address. */
export function isEvidenceOf(account: string, channelAccount: string, job: string, program: string): boolean {
  const channel = decodeAddress(channelAccount);
  return channel !== null && isDerived(account, program, [...nameOf('evidence'), ...channel, ...bytesOf(job)]);
}

/** A program-derived address is the hash of its seeds and a bump byte that keeps it off the curve. */
function isDerived(account: string, program: string, seeds: readonly number[]): boolean {
  const [address, programId] = [decodeAddress(account), decodeAddress(program)];
  if (address === null || programId === null) return false;
  const end = [...programId, ...nameOf('ProgramDerivedAddress')];
  for (let bump = 255; bump >= 0; bump--) {
    const hash = sha256(Uint8Array.from([...seeds, bump, ...end]));
    if (hash.every((byte, at) => byte === address[at])) return true;
  }
  return false;
}

const nameOf = (name: string): Uint8Array => new TextEncoder().encode(name);

const bytesOf = (hex: string): readonly number[] => (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
