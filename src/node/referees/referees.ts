import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import { withJudgement } from '../../proofs/score/referees.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { ClientPayments } from '../payment/payments.ts';
import { Candidates, type ScoreSize } from './candidates.ts';
import { searchMs as defaultSearchMs } from './constants.ts';
import { Panel, type PanelComponents } from './panel.ts';
import type { PanelInit, PanelResult, RefereeCount, RefereeEstimate } from './reports.ts';

/** Has other providers score answers (section 4.7). */
export interface Referees {
  /**
   * What `count` referees of an answer of up to `tokens` tokens would cost.
   * @param size `provider` null: a router will choose it
   */
  estimate(
    size: Omit<ScoreSize, 'maxPrice'> & { readonly count: RefereeCount; readonly provider: VerifiedCard | null },
    options?: AbortOptions,
  ): Promise<RefereeEstimate>;
  /**
   * Asks referees about one answer: collects the heads of all that are asked together before it challenges the first.
   * @throws the signal's reason; nothing else
   */
  ask(init: PanelInit, options?: AbortOptions): Promise<PanelResult>;
  /** The same, with score jobs that `payments` pays: those of another wallet, or with a person's consent. */
  paidBy(payments: ClientPayments | null): Referees;
  /** Ends searches for more providers. */
  stop(): void;
}

export interface RefereesInit {
  /** How long a search for more providers may take, ms. @default 3_000 */
  readonly searchMs?: number | undefined;
}

export function createReferees(components: PanelComponents, init: RefereesInit = {}): Referees {
  return refereesOf(components, new Candidates(components, { searchMs: init.searchMs ?? defaultSearchMs }));
}

function refereesOf(components: PanelComponents, candidatesOf: Candidates): Referees {
  return {
    async estimate({ count, provider, ...size }, options) {
      const most = { ...size, maxPrice: Number.MAX_SAFE_INTEGER };
      const candidates = await candidatesOf.find(most, provider, count, options);
      const dearest = candidates.map(({ priceLamports }) => priceLamports).toSorted((a, b) => (a > b ? -1 : 1));
      return {
        candidates: candidates.length,
        priceLamports: dearest.slice(0, count).reduce((sum, price) => sum + price, 0n),
      };
    },
    ask: (panel, options = {}) => new Panel(components, candidatesOf, panel, options).run(),
    paidBy: (payments) => refereesOf({ ...components, payments }, candidatesOf.paidBy(payments)),
    stop: () => candidatesOf.stop(),
  };
}

/** An assessment of checks 1 to 4 with what the referees found (section 4.7). */
export function refereed(assessment: Assessment, { judgement, calibration, why }: PanelResult): Assessment {
  const judged = withJudgement(assessment, judgement, why);
  return judged.tier === 'statistical' ? { ...judged, calibration } : judged;
}
