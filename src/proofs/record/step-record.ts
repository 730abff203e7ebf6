import { fromHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import type { Candidate } from '../../protocol/messages.ts';
import { quantise, type Selection } from '../sampling/sampler.ts';
import { candDigest, exactDigest, leafOf, noCand, noZk, prefixAfter, prefixesAt, saltsOf } from '../sampling/step.ts';
import { MerkleTree } from '../tree/tree.ts';
import { zkDigest, zkElements } from '../zk/commitment.ts';

export interface StepRecordInit {
  readonly jobId: JobId;
  readonly inputDigest: Uint8Array;
  /** 32 random bytes, never used for another job; the salts come from it. */
  readonly jobSecret: Uint8Array;
  /** Most candidates of a step. */
  readonly topK: number;
  /** Mode zk: commits to the candidates so that draws can be proved (section 4.8). */
  readonly isZk: boolean;
}

/** What a provider committed to, step by step (section 4.1, steps 5 to 8). About 8 bytes for each candidate. */
export class StepRecord {
  readonly #init: StepRecordInit;
  readonly #jobId: Uint8Array;
  readonly #salt: (i: number) => Uint8Array;
  readonly #tokens: number[] = [];
  readonly #selections: SelectionList;
  readonly #tree = new MerkleTree();
  /** After the last step that was committed to. */
  #prefix: Uint8Array;

  constructor(init: StepRecordInit) {
    this.#init = init;
    this.#jobId = fromHex(init.jobId);
    this.#salt = saltsOf(init.jobSecret);
    this.#selections = new SelectionList(init.topK);
    this.#prefix = init.inputDigest;
  }

  get jobId(): Uint8Array {
    return this.#jobId;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  push(token: number, selection: Selection): void {
    this.#selections.push(selection);
    this.#tokens.push(token);
  }

  /** Hashes the steps that were not hashed yet. */
  commit(): void {
    for (let i = this.#tree.size; i < this.#tokens.length; i++) {
      const token = this.#tokens[i] ?? 0;
      const { exact, cand, zk } = this.#digestsOf(i);
      this.#tree.append(leafOf({ jobId: this.#jobId, i, token, prefix: this.#prefix, cand, exact, zk }));
      this.#prefix = prefixAfter(this.#prefix, token);
    }
  }

  /** The root over all steps, and the prefix after them. */
  committed(): { readonly root: Uint8Array; readonly prefix: Uint8Array } {
    this.commit();
    return { root: this.#tree.root(), prefix: this.#prefix };
  }

  /** All that a step's leaf was made of, with its path. Only after `commit`. */
  steps(positions: readonly number[]): readonly RecordedStep[] {
    const { inputDigest } = this.#init;
    const prefixes = prefixesAt(inputDigest, this.#tokens, positions);
    return positions.map((i) => {
      const { exact, zk } = this.#digestsOf(i);
      return {
        i,
        token: this.#tokens[i] ?? 0,
        prefix: prefixes.get(i) ?? inputDigest,
        salt: this.#salt(i),
        ...this.#selections.at(i),
        exact,
        zk,
        path: this.#tree.path(i),
      };
    });
  }

  /** A step's salt and selection. */
  at(i: number): Selection & { readonly salt: Uint8Array } {
    return { salt: this.#salt(i), ...this.#selections.at(i) };
  }

  #digestsOf(i: number): { readonly exact: Uint8Array; readonly cand: Uint8Array; readonly zk: Uint8Array } {
    const { candidates, logits } = this.#selections.at(i);
    const exact = exactDigest(candidates, logits);
    const salt = this.#salt(i);
    if (this.#init.isZk) return { exact, cand: noCand, zk: zkDigest(zkElements(candidates), salt) };
    return { exact, cand: candDigest(this.#jobId, i, salt, candidates), zk: noZk };
  }
}

/** One step with everything that its leaf was made of. */
export interface RecordedStep extends Selection {
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  readonly salt: Uint8Array;
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Candidates of every step in two pieces of memory. `q` comes from the logit again. */
class SelectionList {
  /** The place of each step's first candidate, and the end of the last one's. */
  readonly #starts: number[] = [0];
  #ids: Uint32Array;
  #logits: Float32Array;

  constructor(width: number) {
    this.#ids = new Uint32Array(8 * width);
    this.#logits = new Float32Array(8 * width);
  }

  push({ candidates, logits }: Selection): void {
    const start = this.#starts.at(-1) ?? 0;
    while (start + candidates.length > this.#ids.length) this.#grow();
    for (const [index, [id]] of candidates.entries()) this.#ids[start + index] = id;
    this.#logits.set(logits, start);
    this.#starts.push(start + candidates.length);
  }

  at(index: number): Selection {
    const [start, end] = [this.#starts[index] ?? 0, this.#starts[index + 1] ?? 0];
    return selectionOf(this.#ids.subarray(start, end), this.#logits.slice(start, end));
  }

  #grow(): void {
    const length = 2 * this.#ids.length;
    const [ids, logits] = [new Uint32Array(length), new Float32Array(length)];
    ids.set(this.#ids);
    logits.set(this.#logits);
    [this.#ids, this.#logits] = [ids, logits];
  }
}

function selectionOf(ids: Uint32Array, logits: Float32Array): Selection {
  return { candidates: Array.from(ids, (id, at): Candidate => [id, quantise(logits[at] ?? 0)]), logits };
}
