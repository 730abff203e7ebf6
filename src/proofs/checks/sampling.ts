import type { OpenedStep, Opening } from '../../protocol/messages.ts';
import { FaultError } from '../fault.ts';
import { pickToken } from '../sampler.ts';
import type { Finding } from './check-run.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 3 (section 4.4): every opened token is the one that the client's seed draws from the committed candidates.
 * @throws FaultError `sampler-mismatch`
 */
export function checkSampling(subject: Subject, opening: Opening): Finding {
  const { vocab } = subject.offer.sampler;
  if (subject.receipt.tokens.some((token) => token >= vocab))
    throw new FaultError('sampler-mismatch', 'a token is outside the vocabulary');
  for (const step of opening.steps) checkStep(subject, step);
  return {
    result: 'pass',
    detail: `at ${counted(opening.steps.length, 'opened step')} the client's seed draws the token that was delivered`,
  };
}

function checkStep({ offer, draw }: Subject, { i, token, candidates }: OpenedStep): void {
  const { sampler } = offer;
  const expected = Math.min(sampler.topK, sampler.vocab);
  if (candidates.length !== expected)
    throw new FaultError(
      'sampler-mismatch',
      `step ${i} has ${counted(candidates.length, 'candidate')} instead of ${expected}`,
    );
  const isInOrder = candidates.every(
    ([id], at) => id < sampler.vocab && (at === 0 || id > (candidates[at - 1]?.[0] ?? id)),
  );
  if (!isInOrder)
    throw new FaultError(
      'sampler-mismatch',
      `the candidates of step ${i} are not distinct ids of the vocabulary in order`,
    );
  if (pickToken(candidates, sampler, draw(i)) !== token)
    throw new FaultError('sampler-mismatch', `the seed does not draw the token of step ${i} from its candidates`);
}
