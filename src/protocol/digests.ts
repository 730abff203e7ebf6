import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, toHex, u32, u64, utf8 } from '../lib/bytes.ts';
import type { ChannelId, JobId, ModelId } from '../lib/types.ts';
import { tag } from './encoding/tag.ts';
import { encodeInput, type Input } from './input/input.ts';

export { tag } from './encoding/tag.ts';
export { execClassOf } from './messages/exec.ts';
export { sha256 };

/** HMAC-SHA256 (RFC 2104) with a key that is used often: a function from message to 32 bytes. */
export function keyedHmac(key: Uint8Array): (message: Uint8Array) => Uint8Array {
  const keyed = hmac.create(sha256, key);
  return (message) => keyed.clone().update(message).digest();
}

const tags = {
  job: tag('qvac/job/1'),
  request: tag('qvac/request/1'),
  input: tag('qvac/input/1'),
  shards: tag('qvac/shards/1'),
  seed: tag('qvac/seed/1'),
  vocab: tag('qvac/vocab/1'),
};

/** Section 4: the name of a job. */
export function jobIdOf(offerBody: Uint8Array): JobId {
  return jobIdHex(sha256(concat(tags.job, offerBody)));
}

/** The 32 bytes of a job id in a message → its name in this program. */
export function jobIdHex(jobId: Uint8Array): JobId {
  return digestHex(jobId) as JobId;
}

/** The 32 bytes of a channel id in a message → its name in this program. */
export function channelIdHex(channel: Uint8Array): ChannelId {
  return digestHex(channel) as ChannelId;
}

/** The 32 bytes of a model id in a message → its name in this program. */
export function modelIdHex(modelId: Uint8Array): ModelId {
  return digestHex(modelId) as ModelId;
}

function digestHex(digest: Uint8Array): string {
  if (digest.length !== 32) throw new RangeError(`"digest" expected 32 bytes, got ${digest.length}`);
  return toHex(digest);
}

/** Section 2. */
export function requestDigestOf(input: Input): Uint8Array {
  return sha256(concat(tags.request, encodeInput(input)));
}

/** Section 2: `modelId` of 32 bytes, tokens of the prompt (rendering and continuation), each a u32. */
export function inputDigestOf(modelId: Uint8Array, promptTokens: readonly number[]): Uint8Array {
  const tokens = new DataView(new ArrayBuffer(4 * promptTokens.length));
  for (const [at, token] of promptTokens.entries()) tokens.setUint32(4 * at, token);
  return sha256(concat(tags.input, modelId, u32(promptTokens.length), new Uint8Array(tokens.buffer)));
}

/** Section 2: the id of a model split in several files, from their digests in file order. */
export function shardsModelId(digests: readonly Uint8Array[]): Uint8Array {
  return sha256(concat(tags.shards, ...digests));
}

/**
 * Section 2: digest of a vocabulary.
 * @param size number of token ids
 * @param bytesOf the bytes that a token adds to the text; none for control and unused ones
 */
export function vocabDigestOf(size: number, bytesOf: (id: number) => Uint8Array): Uint8Array {
  const hash = sha256.create().update(tags.vocab).update(u32(size));
  for (let id = 0; id < size; id++) {
    const bytes = bytesOf(id);
    hash.update(u32(bytes.length)).update(bytes);
  }
  return hash.digest();
}

/** Section 4: the seed of an answer that can be had again. `number` is 0 … 2^64 − 1. */
export function seedOfNumber(number: bigint): Uint8Array {
  if (number < 0n || number >= 1n << 64n) throw new RangeError(`"number" expected 0 to 2^64 − 1, got ${number}`);
  return sha256(concat(tags.seed, u64(number)));
}

/** Section 4.2: digest of all text of an answer. */
export function textDigestOf(text: string): Uint8Array {
  return sha256(utf8(text));
}
