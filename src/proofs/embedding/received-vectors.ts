import { concat } from '../../lib/bytes.ts';
import { MalformedError } from '../../protocol/codec.ts';
import type { VectorsFrame } from '../../protocol/frames.ts';
import { FaultError } from '../fault.ts';
import { splitTokens, splitVectors, type Vectors, VectorTree, vectorOfBytes } from './vectors.ts';

export interface ReceivedVectorsInit {
  /** 32 bytes each. */
  readonly jobId: Uint8Array;
  readonly modelId: Uint8Array;
  /** Numbers of each vector that the offer names. */
  readonly dimensions: number;
  /** Texts of the job. */
  readonly texts: number;
}

/** The receiver's record of an embedding job's vectors, checked as they come (section 4.9). */
export class ReceivedVectors {
  readonly #init: ReceivedVectorsInit;
  readonly #tree: VectorTree;
  readonly #counts: number[] = [];
  readonly #values: Uint8Array[] = [];
  #tokens = 0;

  constructor(init: ReceivedVectorsInit) {
    this.#init = init;
    this.#tree = new VectorTree(init.jobId, init.modelId);
  }

  get n(): number {
    return this.#tree.n;
  }

  /**
   * @param promptTokens of all texts
   * @throws MalformedError for a frame out of order; FaultError bad-vectors
   */
  add(frame: Pick<VectorsFrame, 'i' | 'counts' | 'values'>, promptTokens: readonly number[]): void {
    const { dimensions, texts } = this.#init;
    if (frame.i !== this.n) throw new MalformedError(`vectors from ${frame.i}, expected from ${this.n}`);
    if (frame.counts.length === 0) throw new MalformedError('a frame without a vector');
    if (this.n + frame.counts.length > texts) throw badVectors(`more vectors than the ${texts} texts`);
    const vectors = checkedVectors(frame, dimensions);
    const tokens = splitTokens(frame, promptTokens.slice(this.#tokens));
    for (const [at, bytes] of vectors.entries()) {
      const own = tokens[at] ?? [];
      if (own.length === 0 || own.length !== frame.counts[at])
        throw badVectors('the texts of the vectors are not the prompt tokens');
      this.#tree.add(own, bytes);
      this.#tokens += own.length;
    }
    this.#counts.push(...frame.counts);
    this.#values.push(frame.values);
  }

  /** Whether the vectors so far are those of all prompt tokens. */
  covers(promptTokens: readonly number[]): boolean {
    return this.#tokens === promptTokens.length;
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  vectors(): Vectors {
    return { counts: [...this.#counts], values: concat(...this.#values) };
  }
}

/**
 * The bytes of each vector, which has `dimensions` finite numbers, of one for each of `counts`.
 * @throws FaultError bad-vectors
 */
export function checkedVectors(vectors: Vectors, dimensions: number): readonly Uint8Array[] {
  const { counts, values } = vectors;
  const split = splitVectors(vectors, dimensions);
  if (values.length !== 4 * dimensions * counts.length)
    throw badVectors(`${values.length / 4} numbers for ${counts.length} vectors of ${dimensions}`);
  for (const [i, bytes] of split.entries())
    if (!vectorOfBytes(bytes).every(Number.isFinite)) throw badVectors(`vector ${i} holds NaN or an infinity`);
  return split;
}

export function badVectors(detail: string): FaultError {
  return new FaultError('bad-vectors', detail);
}
