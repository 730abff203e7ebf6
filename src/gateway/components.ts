import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PeerIdString } from '../lib/types.ts';
import type { LivePeer } from '../node/discovery/discovery.ts';
import type { ReceiptStore } from '../node/home/receipt-store.ts';
import type { SpendingLimits } from '../node/payment/spending-limits.ts';
import type { Standing } from '../node/selection/reputation.ts';
import type { GatewayActivityLog } from './activity.ts';
import type { EmbeddingClient } from './answer/embedding-client.ts';
import type { InferenceClient } from './answer/inference-client.ts';
import type { RequestDefaults } from './api/completion-request.ts';
import type { ConnectionLimits } from './guard/connections.ts';
import type { KeyRing } from './guard/keys.ts';
import type { RateInit } from './guard/rate.ts';
import type { PageWallets } from './page/page-wallets.ts';
import type { ToolFamily } from './tools/families.ts';

export interface GatewayComponents {
  readonly inference: InferenceClient;
  /** @default texts are not embedded here */
  readonly embedding?: EmbeddingClient | undefined;
  /** The peers on the network. */
  readonly market: { live(): readonly LivePeer[] };
  /** This node's own record of a peer. */
  readonly experience: { standing(peer: PeerIdString): Standing };
  readonly receipts: Pick<ReceiptStore, 'list' | 'get'>;
  /** Browser wallets and the gateway's own; null: this gateway has no chain. */
  readonly wallets: PageWallets | null;
  /** Files of the page by path, such as `/assets/page.js`; null for an unknown path. */
  readonly assets: { get(path: string): Asset | null };
  /** Feeds `qvac status`. @default nothing is recorded */
  readonly activity?: GatewayActivityLog | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Asset {
  readonly body: Uint8Array;
  readonly type: string;
}

export interface GatewayInit {
  /** @default '127.0.0.1' */
  readonly host?: string | undefined;
  readonly port: number;
  /** The secret of this run. */
  readonly token: string;
  /** The secret of the previous run, which a page may exchange for the new one. @default null */
  readonly formerToken?: string | null | undefined;
  /** Further host names that requests may name, without port. @default none */
  readonly hosts?: readonly string[] | undefined;
  /** Origins of other pages that may use the gateway, such as `https://chat.example`. @default none */
  readonly origins?: readonly string[] | undefined;
  /** The operator's API keys; if given, programs need one. @default none */
  readonly keys?: { readonly ring: KeyRing; readonly limits: SpendingLimits } | undefined;
  readonly defaults: RequestDefaults;
  readonly version: string;
  /** The network's name as people know it. */
  readonly network: string;
  readonly limits?:
    | {
        readonly connections?: Partial<ConnectionLimits> | undefined;
        readonly rate?: RateInit | undefined;
        readonly requests?: number | undefined;
      }
    | undefined;
  /** Silence on a stream after which a comment is sent, ms. @default 15_000 */
  readonly keepAliveMs?: number | undefined;
  /**
   * Whether a complete answer waits for its verdict, for at most `verdictMs`. @default false: it ends with its last
   * token, marked `pending`
   */
  readonly waitVerdict?: boolean | undefined;
  /** How models write calls of tools. @default 'auto': as a model's file shows, or in any known way */
  readonly toolParser?: ToolFamily | undefined;
  /** @default 5_000 */
  readonly verdictMs?: number | undefined;
  /** How long answers in progress may take to send their end when the gateway stops, ms. @default 2_000 */
  readonly farewellMs?: number | undefined;
  /** How long verifications in progress may take then, ms: payments depend on their verdicts. @default 5_000 */
  readonly verificationMs?: number | undefined;
}
