import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import type { Received } from '../../../proofs/received.ts';
import type { Signed } from '../../../protocol/messages.ts';
import type { AnswerFrame } from '../../job/job.ts';
import type { Picked, RouteQuestion } from './picked.ts';
import type { SignedVerdict } from './router-word.ts';

/** How long each part may take, in ms. */
export interface RouteTimeouts {
  /** Between two frames, beats included. @default 10_000 */
  readonly gapMs: number;
  /** From the question to the final head; the router is told. @default 600_000 */
  readonly totalMs: number;
  /** What the person allowed for all that is tried, named where the time is over. @default totalMs */
  readonly allowedMs?: number | undefined;
  /** From the final head to the receipt, while the router re-executes. @default 1_800_000 */
  readonly settleMs: number;
}

export interface RouteInit extends Omit<RouteQuestion, 'commit'> {
  /** Peer id or multiaddr. */
  readonly router: PeerIdString | string;
  /** 32 random bytes of this question alone, revealed after the final head. */
  readonly secret: Uint8Array;
  readonly verify: 'sampling' | 'full';
  readonly timeouts?: Partial<RouteTimeouts> | undefined;
}

/** What comes before the final head. A later `picked` voids all that came after the earlier one. */
export type RouteNews = { readonly t: 'picked'; readonly picked: Picked } | AnswerFrame;

/** What the router adds once the answer is whole. */
export interface RouteConclusion {
  /** The provider's, or null where none came: then nothing is proved about the steps. */
  readonly opening: Signed | null;
  readonly verdict: SignedVerdict | null;
  /** What the person's client saw, with the router's verdict. */
  readonly receipt: Receipt;
  /** Why the router's verdict or receipt was not used, or null. */
  readonly refused: string | null;
}

/**
 * One question through a router (section 4.0). What a provider's frames say is checked here; the router is not
 * believed.
 */
export interface RoutedJob {
  readonly router: PeerIdString;
  /** The provider whose answer this is; null before the first. */
  readonly picked: Picked | null;
  /** What came of it so far. @throws Error before the first `picked` */
  readonly received: Received;
  /**
   * Each frame after it was checked; ends after the final head. To be iterated once.
   * @throws QvacError E_BAD_PEER where the router broke a rule; E_TRUNCATED, E_TIMEOUT; else as the router answered
   * @throws FaultError where the answer breaks a rule that has a fault code
   */
  frames(): AsyncIterable<RouteNews>;
  /** Asks the router to stop, once, before the final head; else does nothing. */
  stop(): Promise<void>;
  /**
   * After the final head: challenges where the mode has one, and takes opening, verdict and receipt. Ends the stream.
   */
  conclude(options?: AbortOptions): Promise<RouteConclusion>;
  /** Resets the stream at once. */
  abort(reason: Error): void;
}
