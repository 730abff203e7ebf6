import type { PeerIdString } from '../../lib/types.ts';
import type { FaultCode } from '../../protocol/messages.ts';
import { isRecomputed, type Verification } from './verification.ts';

/** What the checks of one part of an answer found. */
export interface CheckedPart {
  readonly provider: PeerIdString;
  readonly tokens: number;
  /** Null if its provider signed nothing that could be checked. */
  readonly verification: Verification | null;
}

export interface LastPart {
  readonly provider: PeerIdString;
  readonly verification: Verification;
  /** A fault that its re-execution found in the tokens of the parts before; null if there is none. */
  readonly faultBefore: FaultCode | null;
}

/** What holds for an answer that several providers wrote one after another. */
export interface WholeVerification {
  readonly verification: Verification;
  /** The provider whose part failed; null if none did. */
  readonly atFault: PeerIdString | null;
  /** What is known of less than the whole; null if nothing is. */
  readonly partly: string | null;
}

/**
 * Section 4.6: whoever re-executes the last job has re-executed the whole answer. Without that, an answer is as good as
 * its weakest part.
 */
export function verifyWhole(earlier: readonly CheckedPart[], last: LastPart): WholeVerification {
  const failed = earlier.find(({ verification }) => verification?.result === 'fail');
  const opened = earlier.reduce((sum, { verification }) => sum + (verification?.count ?? 0), last.verification.count);
  const own = { ...last.verification, count: opened };
  if (failed?.verification != null)
    return { verification: { ...failed.verification, count: opened }, atFault: failed.provider, partly: null };
  if (last.faultBefore !== null)
    return {
      verification: { ...own, result: 'fail', tier: 'statistical', faults: [last.faultBefore] },
      atFault: suspectOf(earlier),
      partly: null,
    };
  if (own.result === 'fail') return { verification: own, atFault: last.provider, partly: null };
  if (isRecomputed(own)) return { verification: own, atFault: null, partly: null };
  const unproved = earlier.filter(({ verification }) => verification?.result !== 'pass');
  const isText = [...earlier, last].every(({ verification }) => verification?.tier === 'text');
  const tokens = unproved.reduce((sum, part) => sum + part.tokens, 0);
  return {
    verification: {
      ...own,
      tier: isText ? 'text' : 'sampling',
      result: unproved.length === 0 ? own.result : 'inconclusive',
    },
    atFault: null,
    partly: unproved.length === 0 ? null : `nothing was opened of ${tokens} tokens before the last provider`,
  };
}

/** The one whose receipt proves least: a part that passed by itself is above suspicion. */
function suspectOf(earlier: readonly CheckedPart[]): PeerIdString | null {
  const suspects = earlier.filter(({ verification }) => verification === null || verification.result !== 'pass');
  return (suspects.at(-1) ?? earlier.at(-1))?.provider ?? null;
}
