import type { Assessment } from '../../proofs/checks.ts';
import type { FaultCode, Verdict } from '../../protocol/messages.ts';

/** Faults that rest on numbers: re-executed a second time before anybody is blamed (section 5). */
const numericFaults: ReadonlySet<FaultCode> = new Set(['exact-mismatch', 'distribution-far', 'draws-far']);

/** Whether a re-execution found the fault. */
export function isNumericFail({ result, faults }: Pick<Verdict, 'result' | 'faults'>): boolean {
  return result === 'fail' && faults.some((fault) => numericFaults.has(fault));
}

/** A numeric fault that was not found a second time: nobody is blamed for it. */
export function doubted(found: Assessment, why: string): Assessment {
  const detail = `${found.faults.join(', ')} in one re-execution, ${why}`;
  return {
    ...found,
    result: 'inconclusive',
    faults: [],
    checks: found.checks.map((check) =>
      check.result === 'fail' ? { ...check, result: 'inconclusive', detail } : check,
    ),
  };
}

/** What was checked without the model, where the re-execution did not end in time: that is no pass. */
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
