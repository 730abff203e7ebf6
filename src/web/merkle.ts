import { sha256 } from '@noble/hashes/sha2.js';
import type { OpenedStep } from './api.ts';

/** One level on the path from a leaf to the root: two halves and their hash. */
export interface TreeLevel {
  readonly left: string;
  readonly right: string;
  readonly node: string;
  /** The half that this browser computed; the other one came with the opening. */
  readonly own: 'left' | 'right';
}

export interface Climbed {
  /** The leaf, computed here from the step's token, candidates and prefix. */
  readonly leaf: string;
  readonly levels: readonly TreeLevel[];
  readonly root: string;
}

/**
 * Computes an opened step's leaf and its path to the root (RFC 9162 section 2.1.3.2; protocol sections 4.1 and 4.2): a
 * node is the SHA-256 of a 1 byte and its two halves.
 * @param n the number of leaves
 */
export function climb(jobId: string, step: OpenedStep, n: number): Climbed {
  const levels: TreeLevel[] = [];
  const leaf = leafHash(jobId, step);
  let [at, last, own] = [step.i, n - 1, leaf];
  for (const sibling of step.path) {
    const isRight = at % 2 === 1 || at === last;
    const [left, right] = isRight ? [sibling, own] : [own, sibling];
    const node = toHex(sha256(Uint8Array.from([1, ...fromHex(left), ...fromHex(right)])));
    levels.push({ left, right, node, own: isRight ? 'right' : 'left' });
    if (isRight) {
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    }
    own = node;
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return { leaf, levels, root: own };
}

/**
 * The leaf of a step (protocol section 4.1, steps 5 to 8), written a second time here so that the page does not rely on
 * the gateway's code.
 */
function leafHash(job: string, { i, token, prefix, salt, exact, zk, candidates }: OpenedStep): string {
  const pairs = candidates.flatMap(({ id, q }) => [...u32(id), ...u32(q)]);
  const cand = sha256(
    Uint8Array.from([...tag('qvac/cand/1'), ...fromHex(job), ...u32(i), ...fromHex(salt), candidates.length, ...pairs]),
  );
  return toHex(
    sha256(
      Uint8Array.from([
        0,
        ...tag('qvac/step/1'),
        ...fromHex(job),
        ...u32(i),
        ...u32(token),
        ...fromHex(prefix),
        ...cand,
        ...fromHex(exact),
        ...fromHex(zk),
      ]),
    ),
  );
}

/** `tag(s)` of the protocol: a name padded to 16 bytes. */
function tag(name: string): Uint8Array {
  const padded = new Uint8Array(16);
  padded.set(new TextEncoder().encode(name));
  return padded;
}

/** Big-endian; two's complement for negative values. */
function u32(value: number): readonly number[] {
  return [24, 16, 8, 0].map((shift) => (value >> shift) & 255);
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(hex: string): readonly number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}
