import type { JobId } from '../lib/types.ts';
import type { FaultCode, Result, Tier } from '../protocol/messages.ts';
import { type CheckReport, CheckRun, skipped } from './checks/check-run.ts';
import { checkDelivery } from './checks/delivery.ts';
import type { Evidence } from './checks/evidence.ts';
import { checkExecution, type Execution, resultOf } from './checks/execution.ts';
import { checkLength } from './checks/length.ts';
import { checkOpening } from './checks/opening.ts';
import { checkPrompt } from './checks/prompt.ts';
import { checkSampling } from './checks/sampling.ts';
import { noStatistics, type Statistics } from './checks/statistics.ts';
import { type Subject, subjectOf } from './checks/subject.ts';
import { checkVectors } from './embedding/check-vectors.ts';
import { isFinal } from './head.ts';
import type { Receipt } from './receipt.ts';
import type { PooledMisses } from './statistics/pooled.ts';

export type { CheckReport } from './checks/check-run.ts';
export type { Evidence } from './checks/evidence.ts';

/** What was found. `meanTv`, `maxTv`, `rmsDq` and `meanMiss` in millionths. */
export interface Assessment extends Statistics {
  readonly result: Result;
  readonly tier: Tier;
  /** Steps opened; of an embedding job the vectors recomputed, else those opened (section 4.9). */
  readonly count: number;
  readonly faults: readonly FaultCode[];
  /** The fault is in the draws of the tokens before this job (section 4.6), which other providers wrote. */
  readonly inContinuation: boolean;
  readonly checks: readonly CheckReport[];
  readonly execClass: Uint8Array | null;
  readonly calibration: Uint8Array | null;
  /** Score jobs that the result rests on, in the order of their draw; empty if the verifier computed itself. */
  readonly referees: readonly JobId[];
  /** What it adds to the evidence about the provider over many answers (section 6); null if nothing. */
  readonly pooled: PooledMisses | null;
}

/**
 * All checks of section 4.4 that the receipt and `evidence` allow, cheapest first, up to the first that fails.
 * @throws MalformedError if a message in the receipt is malformed: no result can be given
 */
export function assess(receipt: Receipt, evidence: Evidence): Assessment {
  const subject = subjectOf(receipt);
  const run = new CheckRun();
  if (subject.isEmbedding) return assessVectors(run, subject, evidence);
  checkWithoutModel(run, subject, evidence);
  checkInput(run, subject, evidence);
  const execution = checkExecution(run, subject, evidence);
  const isExecuted = execution.tier !== null;
  return {
    result: resultOf(run, subject),
    tier: run.failure?.tier ?? tierReached(run, subject, execution),
    count: subject.openedCount,
    ...execution.statistics,
    faults: run.failure === null ? [] : [run.failure.fault],
    inContinuation: execution.inContinuation,
    checks: run.reports,
    execClass: isExecuted ? (evidence.replay?.execClass ?? null) : null,
    calibration: isExecuted ? (evidence.calibration?.digest ?? null) : null,
    referees: [],
    pooled: execution.pooled,
  };
}

/** Section 4.9. */
function assessVectors(run: CheckRun, subject: Subject, evidence: Evidence): Assessment {
  const { isRecomputed, ...found } = checkVectors(run, subject, evidence);
  return {
    ...found,
    ...noStatistics,
    faults: run.failure === null ? [] : [run.failure.fault],
    inContinuation: false,
    checks: run.reports,
    execClass: isRecomputed ? (evidence.recomputed?.execClass ?? null) : null,
    calibration: null,
    referees: [],
    pooled: null,
  };
}

/** Checks 1 to 4. Without a final head the newest stands for it, and check 4 is left out. */
function checkWithoutModel(run: CheckRun, subject: Subject, evidence: Evidence): void {
  const isOpened = subject.receipt.opening !== null;
  const unopened = skipped('no step was opened');
  run.check('signatures', 'sampling', () => checkDelivery(subject));
  run.check('opening', 'sampling', () => (isOpened ? checkOpening(subject, evidence) : unopened));
  run.check('sampling', 'sampling', () => (isOpened ? checkSampling(subject, evidence) : unopened));
  run.check('length', 'sampling', () =>
    isFinal(subject.head) ? checkLength(subject, evidence) : skipped('the answer was cut off'),
  );
}

/** Check 5. */
function checkInput(run: CheckRun, subject: Subject, { prompt }: Evidence): void {
  run.check('prompt', 'text', () => {
    if (subject.receipt.input === null) return skipped('the prompt is private');
    return prompt === undefined ? skipped('needs the model file') : checkPrompt(subject, prompt);
  });
}

/** The last tier whose checks were all made; without an opened step that was compared, exact only by a pass. */
function tierReached(run: CheckRun, { receipt }: Subject, { tier, hasCompared }: Execution): Tier {
  if (!run.has('prompt', 'pass')) return 'sampling';
  const isReached = hasCompared || (receipt.tokens.length > 0 && run.has('execution', 'pass'));
  return tier !== null && isReached ? tier : 'text';
}
