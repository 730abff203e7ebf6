import type { AbortOptions, PeerIdString } from '../../../../lib/types.ts';
import type { Receipt } from '../../../../proofs/receipt.ts';
import type { Received } from '../../../../proofs/received.ts';
import type { Signed } from '../../../../protocol/messages.ts';
import type { AnswerSoFar } from '../../../job/answer-so-far.ts';
import type { AnswerFrame } from '../../../job/job.ts';
import type { Picked, RouteQuestion } from './picked.ts';
import type { SignedVerdict } from './router-word.ts';

/** How long each part may take, in ms. */
export interface RouteTimeouts {
  /** Between two frames, beats included. @default 10_000 */
  readonly gapMs: number;
  /** The same while the router's connection answers no probe either. @default 4_000, two heartbeats */
  readonly silenceMs: number;
  /** From the question to the final head; sent to the router. @default 600_000 */
  readonly totalMs: number;
  /** The person's limit for the whole question, all attempts included; quoted in a timeout error. @default totalMs */
  readonly allowedMs?: number | undefined;
  /** From the final head to the receipt, while the router re-executes. @default 1_800_000 */
  readonly concludeMs: number;
}

export interface RouteInit extends Omit<RouteQuestion, 'commit'> {
  /** Peer id or multiaddr. */
  readonly router: PeerIdString | string;
  /** 32 random bytes of this question alone, revealed after the final head. */
  readonly secret: Uint8Array;
  readonly verify: 'sampling' | 'full';
  readonly timeouts?: Partial<RouteTimeouts> | undefined;
}

/** One provider's job, as it arrives through a router. */
export interface RoutedPart {
  readonly picked: Picked;
  readonly received: Received;
}

/**
 * What arrives before the final head. A later `picked` continues the answer behind `broken`, which showed tokens; where
 * that is null, it voids everything since the earlier one. The text of a frame is what was not shown yet.
 */
export type RouteNews =
  | { readonly t: 'picked'; readonly picked: Picked; readonly broken: RoutedPart | null }
  | AnswerFrame;

/** What the router adds to a complete answer. */
export interface RouteConclusion {
  /** The provider's opening; null if it sent none: then nothing is proved about the steps. */
  readonly opening: Signed | null;
  readonly verdict: SignedVerdict | null;
  /** What this client received, with the router's verdict. */
  readonly receipt: Receipt;
  /** Why the router's verdict or receipt was refused, or null. */
  readonly refused: string | null;
}

/**
 * One question through a router (section 4.0). The client checks the provider's frames itself; it does not trust the
 * router.
 */
export interface RoutedJob {
  readonly router: PeerIdString;
  /** The provider whose answer this is; null before the first. */
  readonly picked: Picked | null;
  /** The answer that this provider continues. */
  readonly soFar: AnswerSoFar;
  /** What this provider has sent so far. @throws Error before the first `picked` */
  readonly received: Received;
  /**
   * Yields each frame after its checks; ends after the final head. May be iterated once.
   * @throws QvacError E_BAD_PEER if the router broke a rule; E_TRUNCATED, E_TIMEOUT; or the error the router sent
   * @throws FaultError if the answer breaks a rule that has a fault code
   */
  frames(): AsyncIterable<RouteNews>;
  /** Asks the router to stop, once, before the final head; otherwise does nothing. */
  stop(): Promise<void>;
  /**
   * After the final head: sends the challenge if the mode has one, takes opening, verdict and receipt, and closes the
   * stream.
   * @param options `isTrusted`: no challenge in mode fraud
   */
  conclude(options?: AbortOptions & { readonly isTrusted?: boolean | undefined }): Promise<RouteConclusion>;
  /** Resets the stream at once. */
  abort(reason: Error): void;
}
