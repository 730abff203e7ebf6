import type { FaultCode, Result, Tier } from '../protocol/messages.ts';
import type { Limits } from './calibration.ts';
import type { TopLogits } from './logits.ts';
import type { Receipt } from './receipt.ts';

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
        /** One per answer token: what it was drawn from; null where it was not recomputed. */
        readonly steps: readonly (TopLogits | null)[];
      }
    | undefined;
  /** Replaces the limits of section 6 in check 6; `digest` is that of the file. */
  readonly calibration?: { readonly digest: Uint8Array; readonly limits: Limits } | null | undefined;
}

export interface CheckReport {
  readonly name: string;
  readonly result: 'pass' | 'fail' | 'skipped' | 'inconclusive';
  /** One line for people. */
  readonly detail: string;
}

/** What was found. `meanTv`, `maxTv`, `rmsDq` and `meanMiss` in millionths. */
export interface Assessment {
  readonly result: Result;
  readonly tier: Tier;
  /** Steps opened. */
  readonly count: number;
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
  readonly meanMiss: number | null;
  readonly faults: readonly FaultCode[];
  readonly checks: readonly CheckReport[];
  readonly execClass: Uint8Array | null;
  readonly calibration: Uint8Array | null;
}

export function assess(_receipt: Receipt, _evidence: Evidence): Assessment {
  throw new Error('not yet');
}
