import { concat, u32 } from '../../lib/bytes.ts';
import { inputDigestOf, sha256, tag } from '../../protocol/digests.ts';
import type { OpenedVector } from '../../protocol/messages.ts';
import { MerkleTree } from '../tree/tree.ts';

const embedTag = tag('qvac/embed/1');
const numberBytes = 4;

/** The vectors of an embedding job (section 4.9) as they are delivered and kept in its receipt. */
export interface Vectors {
  /** How many of the job's prompt tokens are each text's. */
  readonly counts: readonly number[];
  /** float32, big-endian, as the engine gave them; one vector after another. */
  readonly values: Uint8Array;
}

/** `leaf_i` of an embedding job, from the digests of the text's tokens and of the vector's bytes. */
export function vectorLeaf(jobId: Uint8Array, { i, input, values }: Omit<OpenedVector, 'path'>): Uint8Array {
  return sha256(concat(Uint8Array.of(0), embedTag, jobId, u32(i), input, values));
}

/** A vector's bytes: float32, big-endian. */
export function bytesOfVector(vector: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(numberBytes * vector.length));
  for (const [at, value] of vector.entries()) view.setFloat32(numberBytes * at, value);
  return new Uint8Array(view.buffer);
}

/** The numbers in a vector's bytes. */
export function vectorOfBytes(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / numberBytes }, (_, at) => view.getFloat32(numberBytes * at));
}

/** The bytes of each vector of `dimensions` numbers; a rest is a vector that is too short. */
export function splitVectors({ values }: Pick<Vectors, 'values'>, dimensions: number): readonly Uint8Array[] {
  const size = numberBytes * dimensions;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, at) =>
    values.subarray(at * size, (at + 1) * size),
  );
}

/** Each text's part of the prompt tokens. */
export function splitTokens(
  { counts }: Pick<Vectors, 'counts'>,
  promptTokens: readonly number[],
): readonly (readonly number[])[] {
  let end = 0;
  return counts.map((count) => {
    end += count;
    return promptTokens.slice(end - count, end);
  });
}

/** Grows by one vector at a time, and commits to them. */
export class VectorTree {
  readonly #jobId: Uint8Array;
  readonly #modelId: Uint8Array;
  readonly #tree = new MerkleTree();
  readonly #leaves: { readonly input: Uint8Array; readonly values: Uint8Array }[] = [];

  /** @param jobId 32 bytes @param modelId 32 bytes */
  constructor(jobId: Uint8Array, modelId: Uint8Array) {
    this.#jobId = jobId;
    this.#modelId = modelId;
  }

  get n(): number {
    return this.#leaves.length;
  }

  /** @param tokens of the text @param bytes of the vector */
  add(tokens: readonly number[], bytes: Uint8Array): void {
    const leaf = { input: inputDigestOf(this.#modelId, tokens), values: sha256(bytes) };
    this.#tree.append(vectorLeaf(this.#jobId, { i: this.n, ...leaf }));
    this.#leaves.push(leaf);
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  /** The vectors at `positions` as an opening shows them (section 4.9). @throws RangeError for one that is not there */
  open(positions: readonly number[]): readonly OpenedVector[] {
    return positions.map((i) => {
      const leaf = this.#leaves[i];
      if (leaf === undefined) throw new RangeError(`"positions" expected below ${this.n}, got ${i}`);
      return { i, ...leaf, path: this.#tree.path(i) };
    });
  }
}

/** The tree over the vectors of a receipt. */
export function vectorTreeOf(
  { jobId, modelId }: { readonly jobId: Uint8Array; readonly modelId: Uint8Array },
  vectors: Vectors,
  dimensions: number,
  promptTokens: readonly number[],
): VectorTree {
  const tree = new VectorTree(jobId, modelId);
  const tokens = splitTokens(vectors, promptTokens);
  for (const [i, bytes] of splitVectors(vectors, dimensions).entries()) tree.add(tokens[i] ?? [], bytes);
  return tree;
}
