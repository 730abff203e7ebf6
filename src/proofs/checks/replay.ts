import { equalBytes } from '../../lib/bytes.ts';
import type { Candidate } from '../../protocol/messages.ts';
import type { TopLogits } from '../logits.ts';
import { exactDigest } from '../sampling/step.ts';
import { missOf, type RecomputedStep, recomputedStep } from '../statistics/divergence.ts';
import type { Evidence, Replay } from './evidence.ts';
import { AllowedTokens } from './mask.ts';
import { drawsOfAnswer, type Subject } from './subject.ts';

/** One step of the answer, computed and drawn again. */
export interface ReplayedStep {
  readonly candidates: readonly Candidate[];
  /** Digest of the candidates' logits, as a leaf has it. */
  exact(): Uint8Array;
  /** Drawing again gives the token that was delivered. */
  readonly isDrawn: boolean;
  /** How far the draw lies outside the token's share, 0 … 1. */
  readonly miss: number;
  /** Not forced by a grammar, which allowed one token alone: such a step says nothing (section 6). */
  readonly counts: boolean;
}

/** Every step of the whole answer; null for one that was not recomputed. */
export type Replayed = readonly (ReplayedStep | null)[];

/**
 * Draws the whole answer again from recomputed logits. A step whose logits are too few or hold a NaN, or at which the
 * allowed tokens are not known, counts as not recomputed.
 */
export function replayAnswer(subject: Subject, { steps }: Replay, { vocabulary }: Evidence): Replayed {
  const { answer, offer, receipt } = subject;
  const weighing = offer.sampler;
  const allowed = new AllowedTokens(subject, vocabulary);
  const draws = drawsOfAnswer(subject);
  return answer.map((token, at): ReplayedStep | null => {
    const count = allowed.count(Math.max(weighing.topK, 2));
    const step = count === null ? null : stepOf(steps[at] ?? null, Math.min(weighing.topK, count));
    const replayed: ReplayedStep | null = step && {
      candidates: step.candidates,
      exact: () => exactDigest(step.candidates, step.logits),
      isDrawn: draws.pick(step.candidates) === token,
      miss: missOf(step, token, { weighing, draw: draws.draw, adjust: (candidates) => draws.adjust(candidates) }),
      counts: receipt.grammar === null || (count ?? 0) >= 2,
    };
    draws.add(token);
    allowed.next(token);
    return replayed;
  });
}

function stepOf(top: TopLogits | null, count: number): RecomputedStep | null {
  if (top === null || count === 0 || top.ids.length < count || top.logits.some(Number.isNaN)) return null;
  return recomputedStep(top, count);
}

/** An opened step with what was recomputed in its place; null if it was not. */
export interface ComparedStep {
  readonly i: number;
  readonly exact: Uint8Array;
  /** Null in mode zk, which shows none. */
  readonly candidates: readonly Candidate[] | null;
  readonly replayed: ReplayedStep | null;
}

export function comparedSteps({ opening, zkOpening, offer }: Subject, replayed: Replayed): readonly ComparedStep[] {
  return (
    (opening ?? zkOpening)?.steps.map((step) => ({
      i: step.i,
      exact: step.exact,
      candidates: 'candidates' in step ? step.candidates : null,
      replayed: replayed[offer.start + step.i] ?? null,
    })) ?? []
  );
}

export function hasSameLogits({ exact, replayed }: ComparedStep): boolean {
  return replayed !== null && equalBytes(exact, replayed.exact());
}
