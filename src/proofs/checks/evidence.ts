import type { Limits } from '../calibration.ts';
import type { TopLogits } from '../logits.ts';

/** What whoever has the model adds to a receipt; `{}` gives checks 1 to 4 (section 4.4). */
export interface Evidence {
  /** For check 5. */
  readonly prompt?:
    | {
        /** Rendered and tokenised from the receipt's input; null where the input had to be refused. */
        readonly promptTokens: readonly number[] | null;
        readonly vocab: number;
        readonly stops: readonly number[];
        /** The receipt's tokens as text. */
        readonly text: string;
      }
    | undefined;
  /** For check 6. */
  readonly replay?:
    | {
        readonly tier: 'exact' | 'statistical';
        /** The verifier's own class. */
        readonly execClass: Uint8Array;
        /**
         * One per answer token: what it was drawn from, in the statistical tier with some logits more; null where it
         * was not recomputed.
         */
        readonly steps: readonly (TopLogits | null)[];
      }
    | undefined;
  /** Replaces the limits of section 6 in check 6; `digest` is that of the file. */
  readonly calibration?: { readonly digest: Uint8Array; readonly limits: Limits } | null | undefined;
}
