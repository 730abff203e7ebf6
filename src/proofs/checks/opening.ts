import { equalBytes } from '../../lib/bytes.ts';
import { zkCircuitSteps, zkSystem } from '../../protocol/constants.ts';
import { modeName, modes, type OpenedStep, type ProvedStep, type ZkOpening } from '../../protocol/messages.ts';
import { FaultError } from '../fault.ts';
import { candDigest, leafOf, maxCandidates, noCand, noZk, prefixesAt } from '../sampling/step.ts';
import { challengePositions } from '../tree/challenge.ts';
import { verifyPath } from '../tree/tree.ts';
import { isFieldElement } from '../zk/field.ts';
import type { Finding } from './check-run.ts';
import type { Evidence } from './evidence.ts';
import { checkScoredSteps } from './score-opening.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 2 (section 4.4): the opened steps are the challenged ones, are under the signed root, and stand on the chain
 * over all tokens.
 * @throws FaultError `bad-opening` or `prefix-break`
 */
export function checkOpening(subject: Subject, { zk }: Evidence): Finding {
  const { head, opening, zkOpening, scoreOpening, offer } = subject;
  if (scoreOpening !== null) checkScoredSteps(subject, scoreOpening);
  if (opening !== null) checkSteps(subject, opening.root, opening.steps);
  if (zkOpening !== null) {
    checkSystem(zkOpening, zk?.circuit ?? null);
    checkSteps(subject, zkOpening.root, zkOpening.steps);
  }
  if ((scoreOpening ?? (offer.mode === modes.zk ? zkOpening : opening)) === null)
    throw badOpening(`the opening is not one of mode ${modeName(offer.mode)}`);
  return {
    result: 'pass',
    detail: `${counted(subject.openedCount, 'step')} of ${head.n} opened, as challenged, all under the signed root`,
  };
}

function badOpening(detail: string): FaultError {
  return new FaultError('bad-opening', detail);
}

function checkSteps(subject: Subject, root: Uint8Array, steps: readonly (OpenedStep | ProvedStep)[]): void {
  const { receipt, offer, head } = subject;
  if (!equalBytes(root, head.root)) throw badOpening('the opening is of another root than the final head');
  const positions = challengePositions(head.root, receipt.secret ?? new Uint8Array(), head.n, offer.challenge.count);
  const isChallenged = steps.length === positions.length && steps.every(({ i }, at) => i === positions[at]);
  if (!isChallenged) throw badOpening('other steps were opened than challenged');
  for (const step of steps) checkLeaf(subject, step);
  checkOnChain(subject, steps);
}

function checkLeaf({ offer, head }: Subject, step: OpenedStep | ProvedStep): void {
  const { i, token, prefix, exact, zk, path } = step;
  const isProved = offer.mode === modes.zk;
  if (!isProved && !equalBytes(zk, noZk))
    throw badOpening(`step ${i} holds a zk value, the mode is ${modeName(offer.mode)}`);
  if (isProved && !isFieldElement(zk)) throw badOpening(`step ${i} holds a zk value that is not a field element`);
  if ('candidates' in step && step.candidates.length > maxCandidates)
    throw badOpening(`step ${i} has more candidates than a leaf can hold`);
  const cand = 'candidates' in step ? candDigest(head.jobId, i, step.salt, step.candidates) : noCand;
  const leaf = leafOf({ jobId: head.jobId, i, token, prefix, cand, exact, zk });
  if (!verifyPath(leaf, i, head.n, path, head.root)) throw badOpening(`step ${i} is not under the signed root`);
}

function checkOnChain({ receipt, head }: Subject, steps: readonly (OpenedStep | ProvedStep)[]): void {
  const prefixes = prefixesAt(
    head.inputDigest,
    receipt.tokens,
    steps.map(({ i }) => i),
  );
  for (const { i, token, prefix } of steps) {
    if (token !== receipt.tokens[i])
      throw new FaultError('prefix-break', `step ${i} commits to another token than was delivered`);
    if (!equalBytes(prefix, prefixes.get(i) ?? new Uint8Array()))
      throw new FaultError('prefix-break', `step ${i} commits to other tokens before it than were delivered`);
  }
}

/** Section 4.8. @param known digest of the circuit that this release knows; null if it knows none */
function checkSystem({ circuit, system, steps, proofs }: ZkOpening, known: Uint8Array | null): void {
  if (system !== zkSystem) throw badOpening('the proofs are of another system');
  if (known !== null && !equalBytes(circuit, known)) throw badOpening('the proofs are of another circuit');
  const expected = Math.ceil(steps.length / zkCircuitSteps);
  if (proofs.length !== expected)
    throw badOpening(`${counted(proofs.length, 'proof')} for ${counted(steps.length, 'step')}, expected ${expected}`);
}
