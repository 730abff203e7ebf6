import type { Limits } from '../calibration.ts';
import type { DistanceLimits } from '../embedding/distance.ts';
import type { Vocabulary } from '../grammar/vocabulary.ts';
import type { TopLogits } from '../logits.ts';

/** What the holder of the model adds to a receipt; `{}` gives checks 1 to 4 (section 4.4). */
export interface Evidence {
  /** Bytes of the model's tokens, for grammars and stop texts in checks 3 and 4. */
  readonly vocabulary?: Vocabulary | undefined;
  /** For check 3 in mode zk (section 4.8). */
  readonly zk?: ZkVerifier | undefined;
  /** For check 5. */
  readonly prompt?: PromptEvidence | undefined;
  /** For check 6. */
  readonly replay?: Replay | undefined;
  /** For check 6 of an embedding job (section 4.9), in the place of `replay`. */
  readonly recomputed?: RecomputedVectors | undefined;
  /** Replaces the limits of section 6 in check 6; `digest` is that of the file. */
  readonly calibration?: { readonly digest: Uint8Array; readonly limits: Limits } | null | undefined;
}

export interface PromptEvidence {
  /** Rendered and tokenised from the receipt's input, with its continuation; null if the input had to be refused. */
  readonly promptTokens: readonly number[] | null;
  readonly vocab: number;
  readonly stops: readonly number[];
  /** The receipt's tokens as text behind the continuation (section 4.6). */
  readonly text: string;
  /** Of an embedding job: the tokens of each text, and the numbers of the model's vectors. */
  readonly texts?: { readonly counts: readonly number[]; readonly dimensions: number } | undefined;
}

export interface Replay {
  readonly tier: 'exact' | 'statistical';
  /** The verifier's own class. */
  readonly execClass: Uint8Array;
  /**
   * One for each token of the whole answer, the continuation first: what it was drawn from, with a grammar the allowed
   * tokens alone, and some logits more; null if it was not recomputed.
   */
  readonly steps: readonly (TopLogits | null)[];
}

/** The vectors of an embedding job, computed again by the verifier. */
export interface RecomputedVectors {
  readonly tier: 'exact' | 'statistical';
  /** The verifier's own class. */
  readonly execClass: Uint8Array;
  /** One for each text; null if it was not recomputed. */
  readonly vectors: readonly (Float32Array | null)[];
  /** How far apart those of another class may be. */
  readonly limits: DistanceLimits;
}

export interface ZkVerifier {
  /** Digest of the constraint system. */
  readonly circuit: Uint8Array;
  /** Whether a proof holds for exactly this public input, a field element. Never throws. */
  verify(proof: Uint8Array, publicInput: bigint): boolean;
}
