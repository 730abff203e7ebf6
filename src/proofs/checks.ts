import type { FaultCode, Result, Tier } from '../protocol/messages.ts';
import { defaultLimits, type Limits } from './calibration.ts';
import { type CheckReport, CheckRun, type Finding, skipped } from './checks/check-run.ts';
import { checkDelivery } from './checks/delivery.ts';
import type { Evidence } from './checks/evidence.ts';
import {
  checkDistribution,
  checkDraws,
  checkExact,
  comparedSteps,
  measure,
  type Recomputed,
  recompute,
  type Statistics,
} from './checks/execution.ts';
import { checkLength } from './checks/length.ts';
import { checkOpening } from './checks/opening.ts';
import { checkPrompt } from './checks/prompt.ts';
import { checkSampling } from './checks/sampling.ts';
import { type Subject, subjectOf } from './checks/subject.ts';
import type { Receipt } from './receipt.ts';

export type { CheckReport } from './checks/check-run.ts';
export type { Evidence } from './checks/evidence.ts';

/** What was found. `meanTv`, `maxTv`, `rmsDq` and `meanMiss` in millionths. */
export interface Assessment {
  readonly result: Result;
  readonly tier: Tier;
  /** Steps opened. */
  readonly count: number;
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
  readonly meanMiss: number | null;
  readonly faults: readonly FaultCode[];
  readonly checks: readonly CheckReport[];
  readonly execClass: Uint8Array | null;
  readonly calibration: Uint8Array | null;
}

/**
 * All checks of section 4.4 that the receipt and `evidence` allow, cheapest first, up to the first that fails.
 * @throws MalformedError where a message in the receipt is malformed: no result can be given
 */
export function assess(receipt: Receipt, evidence: Evidence): Assessment {
  const subject = subjectOf(receipt);
  const run = new CheckRun();
  checkWithoutModel(run, subject);
  run.check('prompt', 'text', () => promptFinding(subject, evidence));
  const execution =
    run.failure === null && evidence.replay
      ? {
          ...evidence.replay,
          recomputed: recompute(evidence.replay.steps, receipt.tokens.length, subject.offer.sampler),
        }
      : null;
  const statistics = checkExecution(run, subject, execution, evidence.calibration?.limits ?? defaultLimits);
  const count = subject.opening?.steps.length ?? 0;
  const isDoubtful = count === 0 || run.reports.some(({ result }) => result === 'inconclusive');
  return {
    result: run.failure !== null ? 'fail' : isDoubtful ? 'inconclusive' : 'pass',
    tier: run.failure?.tier ?? tierReached(run, subject, execution),
    count,
    meanTv: statistics?.meanTv ?? null,
    maxTv: statistics?.maxTv ?? null,
    rmsDq: statistics?.rmsDq ?? null,
    meanMiss: statistics?.meanMiss ?? null,
    faults: run.failure === null ? [] : [run.failure.fault],
    checks: run.reports,
    execClass: execution?.execClass ?? null,
    calibration: execution === null ? null : (evidence.calibration?.digest ?? null),
  };
}

type Execution = NonNullable<Evidence['replay']> & { readonly recomputed: Recomputed };

/** Checks 1 to 4. */
function checkWithoutModel(run: CheckRun, subject: Subject): void {
  const { opening } = subject;
  const unopened = skipped('no step was opened');
  run.check('signatures', 'sampling', () => checkDelivery(subject));
  run.check('opening', 'sampling', () => (opening === null ? unopened : checkOpening(subject, opening)));
  run.check('sampling', 'sampling', () => (opening === null ? unopened : checkSampling(subject, opening)));
  run.check('length', 'sampling', () => checkLength(subject));
}

/** Check 5. */
function promptFinding(subject: Subject, { prompt }: Evidence): Finding {
  if (subject.receipt.input === null) return skipped('the prompt is private');
  return prompt === undefined ? skipped('needs the model file') : checkPrompt(subject, prompt);
}

/** Check 6. Returns what was measured, null where nothing was. */
function checkExecution(
  run: CheckRun,
  subject: Subject,
  execution: Execution | null,
  limits: Limits,
): Statistics | null {
  const { opening } = subject;
  if (execution === null) {
    run.check('execution', 'exact', () => skipped('the model was not run'));
    return null;
  }
  if (execution.tier === 'exact') {
    run.check('execution', 'exact', () => checkExact(subject, execution.recomputed));
    return null;
  }
  const statistics = measure(subject, execution.recomputed, execution.steps);
  run.check('distribution', 'statistical', () =>
    opening === null ? skipped('no step was opened') : checkDistribution(opening, statistics, limits),
  );
  run.check('draws', 'statistical', () => checkDraws(subject, statistics, limits));
  return statistics;
}

/** The last tier whose checks were all made; without an opened step that was compared, at most `text`. */
function tierReached(run: CheckRun, subject: Subject, execution: Execution | null): Tier {
  if (!run.has('prompt', 'pass')) return 'sampling';
  return execution !== null && comparedSteps(subject, execution.recomputed).length > 0 ? execution.tier : 'text';
}
