import type { Assessment } from '../../proofs/checks.ts';
import type { FaultCode, Verdict } from '../../protocol/messages.ts';

/** Faults that depend on computed numbers: a second re-execution must confirm them (section 5). */
const numericFaults: ReadonlySet<FaultCode> = new Set([
  'exact-mismatch',
  'distribution-far',
  'draws-far',
  'vectors-far',
]);

/** Whether the verdict is a fail for such a fault. */
export function isNumericFail({ result, faults }: Pick<Verdict, 'result' | 'faults'>): boolean {
  return result === 'fail' && faults.some((fault) => numericFaults.has(fault));
}

/** Turns a numeric fault that a second re-execution did not confirm into an inconclusive result. */
export function doubted(found: Assessment, why: string): Assessment {
  const detail = `${found.faults.join(', ')} in one re-execution, ${why}`;
  return {
    ...found,
    result: 'inconclusive',
    faults: [],
    inContinuation: false,
    // Of two re-executions that contradict each other, neither is evidence.
    pooled: null,
    checks: found.checks.map((check) =>
      check.result === 'fail' ? { ...check, result: 'inconclusive', detail } : check,
    ),
  };
}

/**
 * What is found about a job's own provider: a fault in the tokens before the job, which others wrote, makes the result
 * inconclusive, not a failure.
 */
export function ownPart(found: Assessment): Assessment {
  if (!found.inContinuation) return found;
  return {
    ...found,
    result: 'inconclusive',
    faults: [],
    inContinuation: false,
    checks: found.checks.map((check) =>
      check.result === 'fail'
        ? { ...check, result: 'inconclusive', detail: `before this job: ${check.detail}` }
        : check,
    ),
  };
}

/** Turns the result of the checks without the model into an inconclusive one: the re-execution did not end in time. */
export function cutShort(checked: Assessment): Assessment {
  if (checked.result === 'fail') return checked;
  const detail = 'the re-execution did not end in time';
  return {
    ...checked,
    result: 'inconclusive',
    checks: checked.checks.map((check) =>
      check.name === 'execution' ? { ...check, result: 'inconclusive', detail } : check,
    ),
  };
}
