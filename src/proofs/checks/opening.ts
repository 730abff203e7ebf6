import { equalBytes } from '../../lib/bytes.ts';
import type { OpenedStep, Opening } from '../../protocol/messages.ts';
import { challengePositions } from '../challenge.ts';
import { FaultError } from '../fault.ts';
import { candDigest, leafOf, maxCandidates, noZk, prefixesAt } from '../step.ts';
import { verifyPath } from '../tree.ts';
import type { Finding } from './check-run.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 2 (section 4.4): the opened steps are the challenged ones, are under the signed root, and stand on the chain
 * over
 * all tokens.
 * @throws FaultError
 */
export function checkOpening(subject: Subject, opening: Opening): Finding {
  checkPositions(subject, opening);
  for (const step of opening.steps) checkLeaf(subject, step);
  checkOnChain(subject, opening);
  return {
    result: 'pass',
    detail: `${counted(opening.steps.length, 'step')} of ${subject.final.n} opened, as challenged, all under the signed root`,
  };
}

function checkPositions({ receipt, offer, final }: Subject, opening: Opening): void {
  if (!equalBytes(opening.root, final.root))
    throw new FaultError('bad-opening', 'the opening is of another root than the final head');
  const positions = challengePositions(final.root, receipt.secret ?? new Uint8Array(), final.n, offer.challenge.count);
  const isChallenged =
    opening.steps.length === positions.length && opening.steps.every(({ i }, at) => i === positions[at]);
  if (!isChallenged) throw new FaultError('bad-opening', 'other steps were opened than challenged');
}

function checkLeaf({ offer, final }: Subject, step: OpenedStep): void {
  const { i, token, prefix, salt, candidates, exact, zk, path } = step;
  if (offer.mode !== 'zk' && !equalBytes(zk, noZk))
    throw new FaultError('bad-opening', `step ${i} holds a zk value, the mode is ${offer.mode}`);
  if (candidates.length > maxCandidates)
    throw new FaultError('bad-opening', `step ${i} has more candidates than a leaf can hold`);
  const leaf = leafOf({
    jobId: final.jobId,
    i,
    token,
    prefix,
    cand: candDigest(final.jobId, i, salt, candidates),
    exact,
    zk,
  });
  if (!verifyPath(leaf, i, final.n, path, final.root))
    throw new FaultError('bad-opening', `step ${i} is not under the signed root`);
}

function checkOnChain({ receipt, final }: Subject, { steps }: Opening): void {
  const prefixes = prefixesAt(
    final.inputDigest,
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
