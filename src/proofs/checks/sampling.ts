import { zkCircuitSteps } from '../../protocol/constants.ts';
import type { ZkOpening } from '../../protocol/messages.ts';
import { FaultError } from '../fault.ts';
import { zkPublicInput } from '../zk/public-input.ts';
import type { Finding } from './check-run.ts';
import type { Evidence } from './evidence.ts';
import { AllowedTokens } from './mask.ts';
import { logitsOf } from './score-opening.ts';
import { counted, drawsOfAnswer, type Subject } from './subject.ts';

/**
 * Check 3 (section 4.4): the candidates of every opened step are as many as they must be, allowed and in order, and the
 * client's seed draws its token from them; in mode zk, that is what the proofs say.
 * @throws FaultError `sampler-mismatch`, `mask-break` or `bad-proof`
 */
export function checkSampling(subject: Subject, evidence: Evidence): Finding {
  const { offer, answer, zkOpening, openedCount } = subject;
  if (answer.some((token) => token >= offer.sampler.vocab))
    throw new FaultError('sampler-mismatch', 'a token is outside the vocabulary');
  if (zkOpening !== null) return checkProofs(subject, zkOpening, evidence);
  const allowed = new AllowedTokens(subject, evidence.vocabulary);
  checkCandidates(subject, allowed);
  const opened = counted(openedCount, 'opened step');
  if (allowed.unknown !== null)
    return { result: 'inconclusive', detail: `the grammar was not checked at ${opened}: ${allowed.unknown}` };
  const drawn = subject.isScore ? 'candidates are in order' : "the client's seed draws the token that was delivered";
  return { result: 'pass', detail: `at ${opened} ${drawn}` };
}

/** Goes through the whole answer: draws, counts and grammar begin with its first token. */
function checkCandidates(subject: Subject, allowed: AllowedTokens): void {
  const { offer, answer, opening, scoreOpening } = subject;
  const opened = new Map(opening?.steps.map((step) => [offer.start + step.i, step] as const) ?? []);
  const scored = scoreOpening?.steps ?? [];
  const draws = drawsOfAnswer(subject);
  for (const [at, token] of answer.entries()) {
    if (allowed.allows([token]) === false)
      throw new FaultError('mask-break', `the token of step ${at} is not allowed by the grammar`);
    const step = opened.get(at);
    const own = scored[at];
    if (own !== undefined) checkScored(own.ids, logitsOf(own).logits, at);
    const ids = step?.candidates.map(([id]) => id) ?? own?.ids;
    if (ids !== undefined) checkIds(ids, subject, allowed, at);
    if (step !== undefined && draws.pick(step.candidates) !== token)
      throw new FaultError(
        'sampler-mismatch',
        `the seed does not draw the token of step ${step.i} from its candidates`,
      );
    draws.add(token);
    allowed.next(token);
  }
}

function checkScored(ids: readonly number[], logits: Float32Array, at: number): void {
  if (ids.length !== logits.length || logits.some(Number.isNaN))
    throw new FaultError('sampler-mismatch', `a logit of step ${at} is not a number`);
}

function checkIds(ids: readonly number[], { offer }: Subject, allowed: AllowedTokens, at: number): void {
  const { vocab, topK } = offer.sampler;
  const isInOrder = ids.every((id, index) => id < vocab && (index === 0 || id > (ids[index - 1] ?? id)));
  if (!isInOrder)
    throw new FaultError(
      'sampler-mismatch',
      `the candidates of step ${at} are not distinct ids of the vocabulary in order`,
    );
  allowed.checkCandidates(ids, topK, at);
}

/** Section 4.8: each proof holds for exactly the public input that the receiver makes. */
function checkProofs(subject: Subject, opening: ZkOpening, { zk }: Evidence): Finding {
  if (zk === undefined)
    return { result: 'inconclusive', detail: `${counted(opening.proofs.length, 'proof')} not verified: no verifier` };
  for (const [at, proof] of opening.proofs.entries()) {
    const steps = opening.steps.slice(at * zkCircuitSteps, (at + 1) * zkCircuitSteps);
    if (!zk.verify(proof, zkPublicInput(subject.offer, steps)))
      throw new FaultError('bad-proof', `proof ${at} does not hold for the steps that it is to prove`);
  }
  const proofs = counted(opening.proofs.length, 'proof');
  const steps = counted(opening.steps.length, 'opened step');
  return { result: 'pass', detail: `${proofs} that the client's seed drew ${steps}` };
}
