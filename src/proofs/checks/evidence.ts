import type { Limits } from '../calibration.ts';
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

export interface ZkVerifier {
  /** Digest of the constraint system. */
  readonly circuit: Uint8Array;
  /** Whether a proof holds for exactly this public input, a field element. Never throws. */
  verify(proof: Uint8Array, publicInput: bigint): boolean;
}
