import type { PeerIdString } from '../../lib/types.ts';
import type { Input, SamplerSettings } from '../../protocol/messages.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { AnswerExtra } from '../job/answer-extra.ts';
import type { PayPolicy } from '../payment/channel/channels.ts';
import type { Referees } from '../referees/referees.ts';
import type { RefereeCount } from '../referees/reports.ts';
import type { SelectionStore } from '../selection/selection-store.ts';
import type { VerifyLevel } from '../verification/verification.ts';
import type { DirectComponents } from './direct/direct-init.ts';
import type { WantedRouter } from './routed/reach-router.ts';

export interface AskComponents extends DirectComponents {
  /** Keeps a record of how each provider was selected. @default none is kept */
  readonly selections?: Pick<SelectionStore, 'save' | 'link'> | undefined;
  /** Jobs that this client has with a peer now, if it asks many questions at once. @default none */
  readonly inFlight?: ((peer: PeerIdString) => number) | undefined;
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'get' | 'refresh'>;
  /** Has other providers score answers. @default none is asked */
  readonly referees?: Referees | null | undefined;
}

export interface AskInit {
  readonly input: Input;
  /** Hex id, `name` or `name/quant`; null: the best live offer. */
  readonly model: string | null;
  readonly sampler: SamplerSettings;
  /** @default nothing beyond the sampler */
  readonly extra?: AnswerExtra | undefined;
  /** Steps of the answer to open, 2 … 256. @default 16 */
  readonly count?: number | undefined;
  /** 32 bytes, to make the answer reproducible; null: random for each provider that begins it. */
  readonly seed: Uint8Array | null;
  /** Null: `full` if the model file is here or the router lists the model, else `sampling`. */
  readonly verify: VerifyLevel | null;
  /**
   * Other providers that may see prompt and answer to check it, if neither this machine nor the router can and
   * `verify` is null, `full` or `optimistic`. @default null: none
   */
  readonly referees?: RefereeCount | null | undefined;
  /** Has three providers answer, and compares them; no router is asked. @default false */
  readonly consensus?: boolean | undefined;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. @default 0.05 */
  readonly auditRate?: number | undefined;
  /** Peer id or multiaddr of the one provider to ask. @default null: the best */
  readonly provider?: string | null | undefined;
  /** The router to ask through. @default null: none */
  readonly router?: WantedRouter | null | undefined;
  /** Lamports. */
  readonly maxPrice: number;
  /** Whether a channel may pay. @default as the wallet's policy says */
  readonly pay?: PayPolicy | undefined;
  /** The most that may be deposited in that channel. @default as the wallet's policy says */
  readonly maxDepositLamports?: bigint | undefined;
  /** From the question to the final head, in ms. */
  readonly timeoutMs: number;
  /** Checks a stopped answer like any other, since no person waits for the checks to end. @default false */
  readonly thorough?: boolean | undefined;
  /** Names the question in its selection record, 24 hex digits. @default null: only an answer has a record */
  readonly request?: string | null | undefined;
}
