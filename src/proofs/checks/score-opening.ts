import { equalBytes } from '../../lib/bytes.ts';
import type { Candidate, ScoredStep, ScoreOpening } from '../../protocol/messages.ts';
import { FaultError } from '../fault.ts';
import type { TopLogits } from '../logits.ts';
import { quantise } from '../sampling/sampler.ts';
import { candDigest, exactDigest, leafOf, maxCandidates, noZk, prefixAfter } from '../sampling/step.ts';
import { MerkleTree } from '../tree/tree.ts';
import type { Subject } from './subject.ts';

/** The logits that a referee gives for a step, in the order of its ids. */
export function logitsOf({ ids, logits }: ScoredStep): TopLogits {
  const view = new DataView(logits.buffer, logits.byteOffset, logits.byteLength);
  return { ids: Uint32Array.from(ids), logits: Float32Array.from(ids, (_, at) => view.getFloat32(4 * at)) };
}

/**
 * The part of check 2 (section 4.7) for a score job: all steps are opened, and their leaves give the signed root.
 * @throws FaultError `bad-opening`
 */
export function checkScoredSteps({ receipt, head }: Subject, { root, steps }: ScoreOpening): void {
  const wrong = (detail: string): FaultError => new FaultError('bad-opening', detail);
  if (!equalBytes(root, head.root)) throw wrong('the opening is of another root than the final head');
  if (steps.length !== head.n) throw wrong(`${steps.length} of ${head.n} steps were opened`);
  const tree = new MerkleTree();
  let prefix = head.inputDigest;
  for (const [i, step] of steps.entries()) {
    const token = receipt.tokens[i] ?? 0;
    if (step.ids.length > maxCandidates) throw wrong(`step ${i} has more candidates than a leaf can hold`);
    const { logits } = logitsOf(step);
    const candidates = step.ids.map((id, at): Candidate => [id, quantise(logits[at] ?? 0)]);
    const cand = candDigest(head.jobId, i, step.salt, candidates);
    tree.append(
      leafOf({ jobId: head.jobId, i, token, prefix, cand, exact: exactDigest(candidates, logits), zk: noZk }),
    );
    prefix = prefixAfter(prefix, token);
  }
  if (!equalBytes(tree.root(), head.root)) throw wrong('the opened steps are not under the signed root');
}
