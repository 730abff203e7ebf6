import { shortPeer } from '../../../lib/names.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import type { FaultError } from '../../../proofs/fault.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import type { FaultCode, Verdict } from '../../../protocol/messages.ts';
import { refereed } from '../../referees/referees.ts';
import type { PanelResult } from '../../referees/reports.ts';
import { ownPart } from '../../verification/doubt.ts';
import {
  faultyVerification,
  isRecomputed,
  type Verification,
  verificationOf,
} from '../../verification/verification.ts';
import { type AuditDraw, reasonFor } from '../answer.ts';
import { askPanel } from '../recompute.ts';
import type { Picked } from './route/picked.ts';
import type { RouteConclusion } from './route/route.ts';
import type { RoutedAttempt } from './routed-attempt.ts';

/** What the judgement of an answer depends on, besides its receipt. */
export interface Judging {
  readonly picked: Picked;
  readonly audit: AuditDraw | null;
  readonly interrupted: boolean;
  /** Whether it is to be re-executed. */
  readonly isFull: boolean;
}

/** The reported verification of an answer. */
export interface Judged {
  /** This client's assessment; null if the router's verdict is reported instead. */
  readonly own: Assessment | null;
  /** As of `FinishedAnswer`. */
  readonly faultBefore: FaultCode | null;
  readonly verification: Verification;
  readonly why: string | null;
  /** What the referees found that this client asked. @default null: none were asked */
  readonly panel?: PanelResult | null | undefined;
}

/** What the router added to an answer, and the fault with which it broke off instead, if any. */
export type EndedRoute = RouteConclusion & { readonly fault: FaultError | null };

/**
 * This client runs checks 1 to 4, and with the model files also check 5 or all. The router's verdict counts for what
 * the router re-executed, and for faults, unless this client found a fault itself.
 */
export async function judgeRouted(
  attempt: RoutedAttempt,
  { receipt, verdict, refused, fault }: EndedRoute,
  { picked, audit, interrupted, isFull }: Judging,
): Promise<Judged> {
  const { level, by, router } = attempt.init;
  const depth = isFull && by === 'here' ? 'full' : 'sampling';
  const found = await attempt.components.verifier.check(receipt, depth);
  const own = ownPart(found);
  const faultBefore = found.inContinuation ? (found.faults[0] ?? null) : null;
  if (own.result === 'fail')
    return { own, faultBefore, verification: own, why: reasonFor(own, { level, audit, interrupted }) };
  if (fault !== null) {
    const verification = faultyVerification(fault.fault);
    return { own: { ...own, ...verification }, faultBefore, verification, why: fault.detail };
  }
  const theirs = verdict?.verdict ?? null;
  if (theirs !== null && addsToOwn(theirs, own) && !isRecomputed(own))
    return { own: null, faultBefore, verification: verificationOf(theirs), why: `by router ${shortPeer(router)}` };
  const panel = !isFull || isRecomputed(own) ? null : await askReferees(attempt, receipt, picked);
  const judged = panel === null ? own : refereed(own, panel);
  const part = ownPart(judged);
  const before = judged.inContinuation ? (judged.faults[0] ?? null) : faultBefore;
  const words = reasonFor(part, { level, audit, interrupted });
  return { own: part, faultBefore: before, verification: part, why: words ?? refused, panel };
}

/** Null if no referees are to be asked, or nothing was opened. */
async function askReferees(
  { components, init, observer }: RoutedAttempt,
  receipt: Receipt,
  { card, offer }: Picked,
): Promise<PanelResult | null> {
  const { by, refereeCount = null, maxPrice, parted } = init;
  if (by !== 'referees' || receipt.opening === null) return null;
  const leftLamports = BigInt(maxPrice) - offer.payment.amountLamports;
  const textBefore = parted.soFar.wholeTextBefore;
  return askPanel(components, { refereeCount, provider: card, leftLamports, textBefore }, { receipt, observer });
}

/**
 * Whether a router's verdict says more than this client can check without the model: checks 5 and 6, and whether the
 * answer follows its grammar. The client judges the others itself. A pass without an opening never counts, since the
 * router may have withheld the opening.
 */
function addsToOwn(theirs: Verdict, own: Verification): boolean {
  if (theirs.result === 'pass') return isRecomputed(theirs) && own.count > 0;
  const isUnfollowed = own.result === 'inconclusive' && theirs.faults.includes('mask-break');
  return isRecomputed(theirs) || (theirs.result === 'fail' && (theirs.tier === 'text' || isUnfollowed));
}
