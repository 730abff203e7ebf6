import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import type { Received } from '../../proofs/received.ts';
import { heartbeatMs } from '../../protocol/constants.ts';
import type { FrameOf } from '../../protocol/frames.ts';
import type {
  CardModel,
  GrammarRules,
  Input,
  Mode,
  Offer,
  Payment,
  Quote,
  SamplerSettings,
  Signed,
} from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { RawFrame } from '../streams/streams.ts';

/** A provider's signed price, as fetched by `fetchQuote`. */
export interface SignedQuote {
  readonly quote: Quote;
  readonly signed: Signed;
}

/** How long each part of a job may take, in ms. */
export interface JobTimeouts {
  /** From the offer to the accept. @default 10_000 */
  readonly acceptMs: number;
  /** Between two frames, heartbeats included. A provider that sends heartbeats may take `totalMs`. @default 10_000 */
  readonly gapMs: number;
  /** The same while the provider's connection answers no probe either. @default 4_000, two heartbeats */
  readonly silenceMs: number;
  /** From the offer to the final head. @default 600_000 */
  readonly totalMs: number;
  /** The person's limit for the whole question, all attempts included; quoted in a timeout error. @default totalMs */
  readonly allowedMs?: number | undefined;
}

/** Counts what a job costs in the channel that pays for it. */
export interface JobTotals {
  /**
   * The job costs `lamports` as far as it is acknowledged.
   * @returns the totals to acknowledge with, once `kept` has resolved: from then on a later process knows them, too.
   * `kept` rejects with QvacError E_HOME
   */
  commit(lamports: bigint): { readonly totals: ChannelTotals; readonly kept: Promise<void> };
}

export interface JobInit {
  readonly card: VerifiedCard;
  /** The requested one of the card's models. */
  readonly model: CardModel;
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** SHA-256 of the secret that `challenge` reveals. */
  readonly commit: Uint8Array;
  /** Number of steps to open, 2 … 256. */
  readonly count: number;
  readonly mode: Mode;
  /** Settings beyond the sampler (section 4.1). @default empty */
  readonly extra?: Uint8Array | undefined;
  /** The rules that `extra` names. @default null */
  readonly grammar?: GrammarRules | null | undefined;
  /** The job that this one continues. @default null */
  readonly previous?: JobId | null | undefined;
  /** @default null */
  readonly quote?: SignedQuote | null | undefined;
  /** @default null: the job pays nothing */
  readonly payment?: Payment | null | undefined;
  /**
   * The prompt's tokens as this side makes them: the accept is compared with them before anything is acknowledged. Null
   * without the tokenizer. @default null
   */
  readonly encodePrompt?: (() => Promise<readonly number[] | null>) | null | undefined;
  /**
   * Locks the payment once the offer is signed and before it is sent.
   * @returns the totals of the channel that pays, else null
   * @default null
   */
  readonly lock?:
    | ((order: {
        readonly jobId: JobId;
        readonly offer: Offer;
        readonly offerSigned: Signed;
      }) => Promise<JobTotals | null>)
    | null
    | undefined;
  readonly timeouts?: Partial<JobTimeouts> | undefined;
  /** Multiaddr to dial. @default the card's peer id */
  readonly target?: string | undefined;
}

export interface ChallengeOptions extends AbortOptions {
  /** Opens a new stream, for a provider that was silent on the first. @default false */
  readonly anew?: boolean | undefined;
}

type AnswerType = 'accept' | 'tokens' | 'vectors' | 'head' | 'beat' | 'progress';

/** The frames that `Job.frames` yields. */
export type AnswerFrame = FrameOf<AnswerType>;
export type RawAnswerFrame = RawFrame<AnswerType>;

/** One direct job with one provider (protocol section 4). */
export interface Job {
  readonly jobId: JobId;
  readonly provider: PeerIdString;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  /** Everything received so far, checked on arrival. */
  readonly received: Received;
  /** The count that was acknowledged last; null if nothing was. Only paid jobs and cancels acknowledge. */
  readonly ackedTokens: number | null;
  /**
   * Yields each frame after its checks; ends after the final head. May be iterated once.
   * @throws FaultError if the provider broke a rule that leaves evidence
   * @throws QvacError E_BUSY, E_BAD_INPUT, E_NO_MODEL or E_FAILED that the provider sent; E_TRUNCATED if the connection
   * broke, E_TIMEOUT past a deadline, E_BAD_PEER for a frame out of order
   */
  frames(): AsyncIterable<AnswerFrame>;
  /** `frames` with the bytes of each, for a router that forwards them. One of the two is iterated. */
  rawFrames(): AsyncIterable<RawAnswerFrame>;
  /** The frame for which `frames` threw a FaultError, so that a router can forward the evidence; else null. */
  readonly faulty: RawAnswerFrame | null;
  /**
   * Stops the answer by an acknowledgement of what was received so far. Works once, between the accept and the final
   * head; otherwise does nothing.
   * @returns the acknowledgement that was sent, or null
   */
  cancel(): Promise<Signed | null>;
  /**
   * Reveals the secret and takes the opening, after the final head.
   * @throws FaultError `silence` if none arrives within 30 s
   */
  challenge(secret: Uint8Array, options?: ChallengeOptions): Promise<Signed>;
  /** After a challenge without an opening: whether this node's own network has failed since the final head. */
  wasCutOff(): Promise<boolean>;
  /** Sends a signed verdict. */
  verdict(signed: Signed, options?: AbortOptions): Promise<void>;
  /**
   * Acknowledges the answer once more after the verdict, with totals that release it.
   * @throws QvacError E_TRUNCATED if the stream that takes it is gone: any stream of the channel does then
   */
  release(totals: ChannelTotals, options?: AbortOptions): Promise<void>;
  /** Closes the stream after all pending writes. Idempotent. */
  close(): Promise<void>;
  /** Resets the stream at once. */
  abort(reason: Error): void;
  /** Like `abort`, but only while the job waits for the provider's next frame, not while its reader is behind. */
  abortWaiting(reason: Error): void;
}

export const defaultTimeouts: JobTimeouts = {
  acceptMs: 10_000,
  gapMs: 10_000,
  silenceMs: 2 * heartbeatMs,
  totalMs: 600_000,
};
