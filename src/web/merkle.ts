import type { OpenedStep } from './api.ts';

/** One level of the way from a leaf to the root: two halves and the node that they hash to. */
export interface Level {
  readonly left: string;
  readonly right: string;
  readonly node: string;
  /** Which half is ours; the other one came with the opening. */
  readonly own: 'left' | 'right';
}

/**
 * Hashes an opened step's path up to the root in this browser (RFC 9162 section 2.1.3.2; protocol section 4.2): a node is
 * the SHA-256 of a 1 byte and its two halves.
 * @param n leaves of the tree
 */
export async function climb({ leaf, i, path }: Pick<OpenedStep, 'leaf' | 'i' | 'path'>, n: number): Promise<{ readonly levels: readonly Level[]; readonly root: string }> {
  const levels: Level[] = [];
  let [at, last, own] = [i, n - 1, leaf];
  for (const sibling of path) {
    const isRight = at % 2 === 1 || at === last;
    const [left, right] = isRight ? [sibling, own] : [own, sibling];
    const node = await parent(left, right);
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
  return { levels, root: own };
}

async function parent(left: string, right: string): Promise<string> {
  const bytes = Uint8Array.from([1, ...fromHex(left), ...fromHex(right)]);
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(hex: string): readonly number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}
