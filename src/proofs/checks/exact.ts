import { FaultError } from '../fault.ts';
import type { Finding } from './check-run.ts';
import { comparedSteps, hasSameLogits, type Replayed } from './replay.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 6a (section 4.4): the same logits, bit for bit, at every opened step, and the same token at every step of the
 * job. Whether the tokens before it were drawn equal, too, says `isByAnotherClass`.
 * @throws FaultError `exact-mismatch`
 */
export function checkExact(subject: Subject, replayed: Replayed): Finding {
  const { offer, openedCount } = subject;
  for (const step of comparedSteps(subject, replayed))
    if (step.replayed !== null && !hasSameLogits(step))
      throw new FaultError(
        'exact-mismatch',
        `the logits at step ${step.i} are not those of this model and execution class`,
      );
  const differsAt = replayed.findIndex((step, at) => at >= offer.start && step !== null && !step.isDrawn);
  if (differsAt !== -1)
    throw new FaultError('exact-mismatch', `drawing again gives another token at step ${differsAt - offer.start}`);
  const missing = replayed.filter((step) => step === null).length;
  if (missing > 0)
    return { result: 'inconclusive', detail: `${missing} of ${counted(replayed.length, 'step')} not recomputed` };
  const opened = openedCount === 0 ? '' : `, the logits of ${counted(openedCount, 'opened step')} equal bit for bit`;
  return { result: 'pass', detail: `all ${counted(replayed.length, 'token')} computed and drawn again${opened}` };
}

/**
 * Whether the answer's tokens before this job are not those that this class draws: another class wrote them, and their
 * draws are judged by their distance (section 4.6).
 */
export function isByAnotherClass({ offer }: Subject, replayed: Replayed): boolean {
  return replayed.slice(0, offer.start).some((step) => step !== null && !step.isDrawn);
}
