import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { Judgement } from '../../proofs/score/referees.ts';
import type { FaultCode, Result, Tier } from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Settlement } from '../payment/payments.ts';

/** Referees that an answer is shown to at first: three at once, or one, and two more unless it agrees. */
export type RefereeCount = 1 | 3;

export interface PanelInit {
  /** Passes checks 1 to 4, and holds the prompt and the secret. */
  readonly receipt: Receipt;
  readonly provider: VerifiedCard;
  readonly count: RefereeCount;
  /** The only peers that may be asked. @default any provider */
  readonly among?: readonly PeerIdString[] | undefined;
  /** Peers that may not be asked. @default none */
  readonly except?: readonly PeerIdString[] | undefined;
  /** For all score jobs together, lamports. */
  readonly maxPrice: bigint;
  /** The text that was shown of the tokens before the job. @default not known */
  readonly textBefore?: string | undefined;
}

/** One peer that was asked to score an answer. */
export interface RefereeReport {
  readonly peer: PeerIdString;
  /** Its score job; null if it gave no head. */
  readonly job: JobId | null;
  /** What the comparison with its numbers gave; null if they say nothing, or there are none. */
  readonly result: Result | null;
  readonly fault: FaultCode | null;
  readonly tier: Tier | null;
  /** It contradicts two others. */
  readonly isFar: boolean;
  /** Why it says nothing, in a few words; null if it does. */
  readonly why: string | null;
  readonly costLamports: bigint;
}

export interface PanelResult {
  readonly judgement: Judgement;
  /** Digest of the calibration whose limits were used. */
  readonly calibration: Uint8Array | null;
  /** In the order of their draw. */
  readonly referees: readonly RefereeReport[];
  /** Why no two of them agree, or none was asked; null if there is a result. */
  readonly why: string | null;
  /** Resolves when every score job is concluded and its payment settled, as far as possible now. Never rejects. */
  readonly concluded: Promise<readonly Settlement[]>;
}

/** What asking referees would take now. */
export interface RefereeEstimate {
  /** Providers of whom they would be drawn. */
  readonly candidates: number;
  /** The most that `count` of them cost, lamports. */
  readonly priceLamports: bigint;
}
