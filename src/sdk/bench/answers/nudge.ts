import type { TopLogits } from '../../../proofs/logits.ts';
import type { AnswerDraws } from '../../../proofs/sampling/draws.ts';
import { type Selection, selectCandidates } from '../../../proofs/sampling/sampler.ts';
import { totalVariation } from '../../../proofs/statistics/divergence.ts';
import type { AuditJob } from './job.ts';

/** Steps of the search: each raises the logit by this factor more. */
const growth = 1.15;
const [smallest, largest] = [1 / 64, 16];

/** The true candidates, moved so that the draw picks another token. */
export interface Nudged {
  readonly committed: Selection;
  /** Total variation between the true candidates and the moved ones, 0 … 1. */
  readonly moved: number;
  /** False where no amount makes the draw pick that token. */
  readonly picks: boolean;
}

/**
 * The nudging attack at one step: `truth` with the logit of `wanted` raised just enough that the draw picks it; raised
 * in full if no amount does.
 */
export function nudged(job: AuditJob, truth: TopLogits, draws: AnswerDraws, wanted: number): Nudged {
  const plain = selectCandidates(truth, job.topK);
  const at = [...truth.ids.keys()].find((index) => truth.ids[index] === wanted);
  const raised = (by: number): Selection =>
    at === undefined
      ? withToken(plain, wanted, by)
      : selectCandidates(
          { ids: truth.ids, logits: truth.logits.map((logit, index) => (index === at ? logit + by : logit)) },
          job.topK,
        );
  const nudgedBy = (by: number): Nudged | null => {
    const committed = by === 0 ? plain : raised(by);
    if (draws.pick(committed.candidates) !== wanted) return null;
    return { committed, moved: totalVariation(plain.candidates, committed.candidates), picks: true };
  };
  for (let by = 0; by < largest; by = by === 0 ? smallest : by * growth) {
    const found = nudgedBy(by);
    if (found !== null) return found;
  }
  // Raising it alone may overshoot the draw: then its rivals' order must change, which no honest model does either.
  const committed = raised(largest);
  return { committed, moved: totalVariation(plain.candidates, committed.candidates), picks: false };
}

/** A token that the true model does not list takes the place of its last candidate, and is raised from there. */
function withToken({ candidates, logits }: Selection, wanted: number, by: number): Selection {
  const least = logits.reduce((min, logit) => Math.min(min, logit), Infinity);
  const last = logits.indexOf(least);
  return selectCandidates(
    {
      ids: Uint32Array.from(candidates, ([id], index) => (index === last ? wanted : id)),
      logits: logits.map((logit, index) => (index === last ? least + by : logit)),
    },
    candidates.length,
  );
}
