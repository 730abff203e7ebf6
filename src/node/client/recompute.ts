import { anySignal } from '../../lib/abort.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import { refereed } from '../referees/referees.ts';
import type { PanelInit, PanelResult, RefereeCount } from '../referees/reports.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import { audited } from '../verification/second-opinion.ts';
import { isRecomputed } from '../verification/verification.ts';
import type { CheckOptions } from '../verification/verifier.ts';
import type { AskObserver } from './answer.ts';

/** Asks others about one answer; resolves to null if there was nobody to ask. */
export interface PanelAsker {
  ask(init: PanelInit, options?: AbortOptions): Promise<PanelResult | null>;
}

export interface RecomputeComponents {
  readonly verifier: Pick<LocalVerifier, 'check'>;
  /** Has other providers score answers. @default none is asked */
  readonly referees?: PanelAsker | null | undefined;
}

export interface RecomputeInit {
  /** The referees that the person agreed to show the answer to; null: none. */
  readonly refereeCount: RefereeCount | null;
  /** The provider's card. */
  readonly provider: VerifiedCard;
  /** For all score jobs together, lamports. */
  readonly leftLamports: bigint;
  /** The text that was shown of the tokens before the job. @default not known */
  readonly textBefore?: string | undefined;
}

/** The checks of an answer, and who made those that need the model. */
export interface Recomputed {
  readonly assessment: Assessment;
  /** Null if no referees were asked. */
  readonly panel: PanelResult | null;
  /** Who re-executed it in the place of this machine, in a few words; null if none did, or referees. */
  readonly by: string | null;
}

/**
 * Makes every check of an answer: with this machine's model, else by an auditor that the person chose, else by referees
 * that the person agreed to.
 * @param options `second` asks the auditors
 */
export async function recompute(
  components: RecomputeComponents,
  init: RecomputeInit,
  { receipt, observer }: { readonly receipt: Receipt; readonly observer: AskObserver },
  options: CheckOptions,
): Promise<Recomputed> {
  const own = await components.verifier.check(receipt, 'full', options);
  if (isRecomputed(own) || own.result === 'fail') return { assessment: own, panel: null, by: null };
  const within = { signal: anySignal(options.signal, options.until) };
  try {
    const verdict = (await options.second?.(receipt, within)) ?? null;
    if (verdict !== null) {
      const by = `by auditor ${shortPeer(peerIdOf(verdict.verifier))}`;
      return { assessment: audited(own, verdict), panel: null, by };
    }
    const panel = await askPanel(components, init, { receipt, observer }, within);
    return { assessment: panel === null ? own : refereed(own, panel), panel, by: null };
  } catch (error) {
    if (options.until?.aborted !== true || options.signal?.aborted === true) throw error;
    return { assessment: own, panel: null, by: null };
  }
}

/** What referees found; null if none are to be asked. */
export async function askPanel(
  { referees = null }: Pick<RecomputeComponents, 'referees'>,
  { refereeCount: count, provider, leftLamports, textBefore }: RecomputeInit,
  { receipt, observer }: { readonly receipt: Receipt; readonly observer: AskObserver },
  options: AbortOptions = {},
): Promise<PanelResult | null> {
  if (count === null || referees === null) return null;
  observer.refereeing?.(count);
  const maxPrice = leftLamports > 0n ? leftLamports : 0n;
  return referees.ask({ receipt, provider, count, maxPrice, textBefore }, options);
}
