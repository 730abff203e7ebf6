import type { Result, Tier } from '../../protocol/messages.ts';
import { defaultLimits } from '../calibration.ts';
import type { PooledMisses } from '../statistics/pooled.ts';
import { type CheckRun, skipped } from './check-run.ts';
import type { Evidence, Replay } from './evidence.ts';
import { checkExact, isByAnotherClass } from './exact.ts';
import { comparedSteps, type Replayed, replayAnswer } from './replay.ts';
import {
  areOwnDrawsFar,
  checkDistribution,
  checkDraws,
  measure,
  measureContinuation,
  noStatistics,
  pooledMisses,
  type Statistics,
} from './statistics.ts';
import type { Subject } from './subject.ts';

/** What check 6 was made of. */
export interface Execution {
  /** Tier of the result; null if the model was not run. */
  readonly tier: Tier | null;
  /** Whether an opened step was compared. */
  readonly hasCompared: boolean;
  readonly statistics: Statistics;
  /** The draws that failed are those of the tokens before this job (section 4.6), not the job's own. */
  readonly inContinuation: boolean;
  /** What it adds to the evidence about the job's provider; null if nothing. */
  readonly pooled: PooledMisses | null;
}

const notExecuted: Execution = {
  tier: null,
  hasCompared: false,
  statistics: noStatistics,
  inContinuation: false,
  pooled: null,
};

/** Check 6. */
export function checkExecution(run: CheckRun, subject: Subject, evidence: Evidence): Execution {
  const { replay } = evidence;
  if (replay === undefined || subject.isScore) {
    run.check('execution', 'exact', () => skipped('the model was not run'));
    return notExecuted;
  }
  if (run.failure !== null) {
    run.check('execution', 'exact', () => skipped('an earlier check failed'));
    return notExecuted;
  }
  const replayed = replayAnswer(subject, replay, evidence);
  const hasCompared = comparedSteps(subject, replayed).some((step) => step.replayed !== null);
  return { hasCompared, ...checkReplayed(run, subject, { replay, replayed, evidence }) };
}

interface ReplayedAnswer {
  readonly replay: Replay;
  readonly replayed: Replayed;
  readonly evidence: Evidence;
}

function checkReplayed(
  run: CheckRun,
  subject: Subject,
  { replay, replayed, evidence }: ReplayedAnswer,
): Omit<Execution, 'hasCompared'> {
  const limits = evidence.calibration?.limits ?? defaultLimits;
  if (replay.tier === 'exact') {
    run.check('execution', 'exact', () => checkExact(subject, replayed));
    if (run.failure !== null || !isByAnotherClass(subject, replayed))
      return { tier: 'exact', statistics: noStatistics, inContinuation: false, pooled: null };
    const measured = measureContinuation(subject, replayed);
    run.check('draws', 'statistical', () => checkDraws(subject, measured, limits));
    const statistics = { ...noStatistics, meanMiss: measured.meanMiss };
    return { tier: 'statistical', statistics, inContinuation: run.has('draws', 'fail'), pooled: null };
  }
  const measured = measure(subject, replayed);
  const { meanTv, maxTv, rmsDq, meanMiss } = measured;
  run.check('distribution', 'statistical', () => {
    if (subject.opening === null) return skipped('no step was shown');
    return checkDistribution(subject, measured, limits);
  });
  run.check('draws', 'statistical', () => checkDraws(subject, measured, limits));
  const inContinuation = run.has('draws', 'fail') && !areOwnDrawsFar(subject, replayed, limits);
  const pooled = pooledMisses(subject, replayed, limits);
  return { tier: 'statistical', statistics: { meanTv, maxTv, rmsDq, meanMiss }, inContinuation, pooled };
}

/** Without an opened step a pass needs every token drawn again equal. */
export function resultOf(run: CheckRun, { openedCount, receipt }: Subject): Result {
  if (run.failure !== null) return 'fail';
  const isShown = openedCount > 0 || (receipt.tokens.length > 0 && run.has('execution', 'pass'));
  return isShown && !run.reports.some(({ result }) => result === 'inconclusive') ? 'pass' : 'inconclusive';
}
