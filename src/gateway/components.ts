import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PeerIdString } from '../lib/types.ts';
import type { LivePeer } from '../node/discovery/discovery.ts';
import type { ReceiptStore } from '../node/home/receipt-store.ts';
import type { Standing } from '../node/selection/reputation.ts';
import type { GatewayActivityLog } from './activity.ts';
import type { InferenceClient } from './answer/inference-client.ts';
import type { RequestDefaults } from './api/completion-request.ts';
import type { Budgets } from './guard/budgets.ts';
import type { ConnectionLimits } from './guard/connections.ts';
import type { KeyRing } from './guard/keys.ts';
import type { RateInit } from './guard/rate.ts';
import type { PageWallets } from './page/page-wallets.ts';

export interface GatewayComponents {
  readonly inference: InferenceClient;
  /** Who is there. */
  readonly market: { live(): readonly LivePeer[] };
  /** What this person's own node has seen of a peer. */
  readonly experience: { standing(peer: PeerIdString): Standing };
  readonly receipts: Pick<ReceiptStore, 'list' | 'get'>;
  /** Wallets that people hold in their browsers; null: none are taken. */
  readonly wallets: PageWallets | null;
  /** Files of the page by path, as `/assets/page.js`; null where there is none. */
  readonly assets: { get(path: string): Asset | null };
  /** What `qvac status` is told. @default nothing */
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
  /** That of the run before, which a page may swap for the new one. @default null */
  readonly formerToken?: string | null | undefined;
  /** Further names under which the gateway is asked, without port. @default none */
  readonly hosts?: readonly string[] | undefined;
  /** Pages besides its own that may use it, as `https://chat.example`. @default none */
  readonly origins?: readonly string[] | undefined;
  /** The operator's keys; where given, programs need one. */
  readonly keys?: { readonly ring: KeyRing; readonly budgets: Budgets } | undefined;
  readonly defaults: RequestDefaults;
  readonly version: string;
  /** Name of the network, for people. */
  readonly network: string;
  readonly limits?:
    | {
        readonly connections?: Partial<ConnectionLimits> | undefined;
        readonly rate?: RateInit | undefined;
        readonly questions?: number | undefined;
      }
    | undefined;
  /** Silence on a stream after which a comment goes out, ms. @default 15_000 */
  readonly keepAliveMs?: number | undefined;
  /** How long an answer may wait for its verdict, ms. @default 5_000 */
  readonly verdictMs?: number | undefined;
}
