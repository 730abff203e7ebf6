import type { Logger } from '../../../lib/log.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import type { Input, SamplerSettings } from '../../../protocol/messages.ts';
import type { AnswerExtra } from '../../job/answer-extra.ts';
import type { Peer } from '../../peer/peer.ts';
import type { RefereeCount } from '../../referees/reports.ts';
import type { Reputation } from '../../selection/reputation.ts';
import type { LocalVerifier } from '../../verification/local-verifier.ts';
import type { VerifyLevel } from '../../verification/verification.ts';
import type { PartedAnswer } from '../parted-answer.ts';
import type { RecomputeComponents } from '../recompute.ts';
import type { Stopwatch } from '../stopwatch.ts';
import type { RouteComponents } from './route/open-route.ts';

export interface RoutedComponents extends RouteComponents, RecomputeComponents {
  readonly peer: Peer;
  readonly verifier: LocalVerifier;
  readonly reputation: Pick<Reputation, 'pool'>;
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

export interface RoutedInit {
  readonly router: PeerIdString;
  readonly input: Input;
  /** Hex id, `name` or `name/quant`. */
  readonly model: string;
  /** The model's name for people. */
  readonly label: string;
  readonly sampler: SamplerSettings;
  readonly extra: AnswerExtra;
  /** Steps to open. */
  readonly count: number;
  readonly seed: Uint8Array;
  readonly level: VerifyLevel;
  /** What re-executes the answer at level `full`: the router, this machine, or referees that this client asks. */
  readonly by: 'router' | 'here' | 'referees';
  /** @default null: none */
  readonly refereeCount?: RefereeCount | null | undefined;
  /** How likely an answer is audited at level `optimistic`, 0 … 1; the router, too, audits by its own records. */
  readonly auditRate: number;
  readonly maxPrice: number;
  /** From now to the final head, and the person's limit for the whole question. */
  readonly timeoutMs: number;
  readonly allowedMs: number;
  readonly stopwatch: Stopwatch;
  /** Takes the parts that broke off: also the last one, if the router itself fails. */
  readonly parted: PartedAnswer;
  /** Checks a stopped answer like any other. */
  readonly thorough: boolean;
}
