import { equalBytes } from '../../lib/bytes.ts';
import { finish, type Result, type Tier } from '../../protocol/messages.ts';
import { type CheckRun, type Finding, skipped } from '../checks/check-run.ts';
import { checkDelivery } from '../checks/delivery.ts';
import type { Evidence, PromptEvidence, RecomputedVectors } from '../checks/evidence.ts';
import { checkPrompt } from '../checks/prompt.ts';
import { isSameList } from '../checks/same-list.ts';
import { counted, type Subject } from '../checks/subject.ts';
import { FaultError } from '../fault.ts';
import { isFinal } from '../head.ts';
import { challengePositions } from '../tree/challenge.ts';
import { verifyPath } from '../tree/tree.ts';
import { cosineDistance, minMeanVectors } from './distance.ts';
import { badVectors, checkedVectors } from './received-vectors.ts';
import { type Vectors, vectorLeaf, vectorOfBytes, vectorTreeOf } from './vectors.ts';

/** The job that embedded texts: its vectors, and their length as the offer names it. */
interface VectorSubject {
  readonly subject: Subject;
  readonly vectors: Vectors;
  readonly dimensions: number;
}

/** What the checks of an embedding job found. */
export interface CheckedVectors {
  readonly result: Result;
  readonly tier: Tier;
  /** Vectors that were recomputed; without a recomputation, those that were opened. */
  readonly count: number;
  readonly isRecomputed: boolean;
}

/**
 * The checks of section 4.9 on an embedding job. Only a recomputation says anything about its numbers, so without one
 * the result is inconclusive at best.
 */
export function checkVectors(run: CheckRun, subject: Subject, evidence: Evidence): CheckedVectors {
  const { receipt, settings, head } = subject;
  const whole: VectorSubject = {
    subject,
    vectors: receipt.vectors ?? { counts: [], values: new Uint8Array() },
    dimensions: settings.embed ?? 1,
  };
  run.check('signatures', 'sampling', () => checkDelivery(subject));
  run.check('vectors', 'sampling', () => checkCommitted(whole));
  run.check('opening', 'sampling', () =>
    receipt.opening === null ? skipped('no vector was opened') : checkOpened(whole),
  );
  run.check('length', 'sampling', () => (isFinal(head) ? checkCount(subject) : skipped('the job was cut off')));
  run.check('prompt', 'text', () => checkTexts(whole, evidence.prompt));
  const { recomputed } = evidence;
  run.check('execution', recomputed?.tier ?? 'exact', () =>
    recomputed === undefined ? skipped('the model was not run') : checkRecomputed(whole, recomputed),
  );
  const isRecomputed = run.has('execution', 'pass');
  const reached = isRecomputed ? (recomputed?.tier ?? 'exact') : run.has('prompt', 'pass') ? 'text' : 'sampling';
  return {
    result: run.failure !== null ? 'fail' : isRecomputed && isFinal(head) ? 'pass' : 'inconclusive',
    tier: run.failure?.tier ?? reached,
    count: isRecomputed ? recomputedCount(recomputed) : subject.openedCount,
    isRecomputed:
      recomputed !== undefined && !run.reports.some(({ name, result }) => name === 'execution' && result === 'skipped'),
  };
}

function recomputedCount(recomputed: RecomputedVectors | undefined): number {
  return recomputed?.vectors.filter((vector) => vector !== null).length ?? 0;
}

/** The vectors are whole, belong to the prompt tokens, and are those under the signed root. */
function checkCommitted({ subject, vectors, dimensions }: VectorSubject): Finding {
  const { receipt, offer, head } = subject;
  const { counts } = vectors;
  if (counts.length !== head.n)
    throw badVectors(`the head covers ${counted(head.n, 'vector')}, the receipt has ${counts.length}`);
  checkedVectors(vectors, dimensions);
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  const isWhole =
    head.n < offer.sampler.maxTokens ? tokens <= receipt.promptTokens.length : tokens === receipt.promptTokens.length;
  if (!isWhole || counts.includes(0)) throw badVectors('the texts of the vectors are not the prompt tokens');
  const { jobId, modelId } = { jobId: head.jobId, modelId: offer.modelId };
  const tree = vectorTreeOf({ jobId, modelId }, vectors, dimensions, receipt.promptTokens);
  if (!equalBytes(tree.root(), head.root))
    throw new FaultError('root-mismatch', 'the vectors are not those under the signed root');
  return {
    result: 'pass',
    detail: `${counted(head.n, 'vector')} of ${dimensions} numbers, all under the signed root`,
  };
}

/** The opened vectors are the challenged ones, and lead to the root. */
function checkOpened({ subject }: VectorSubject): Finding {
  const { receipt, offer, head, vectorOpening } = subject;
  const wrong = (detail: string): FaultError => new FaultError('bad-opening', detail);
  if (vectorOpening === null) throw wrong('the opening is not one of vectors');
  const { root, vectors } = vectorOpening;
  if (!equalBytes(root, head.root)) throw wrong('the opening is of another root than the final head');
  const positions = challengePositions(head.root, receipt.secret ?? new Uint8Array(), head.n, offer.challenge.count);
  if (
    !isSameList(
      vectors.map(({ i }) => i),
      positions,
    )
  )
    throw wrong('other vectors were opened than challenged');
  for (const opened of vectors)
    if (!verifyPath(vectorLeaf(head.jobId, opened), opened.i, head.n, opened.path, head.root))
      throw wrong(`vector ${opened.i} is not under the signed root`);
  return {
    result: 'pass',
    detail: `${counted(vectors.length, 'vector')} of ${head.n} opened, as challenged, all under the signed root`,
  };
}

function checkCount({ head, offer }: Subject): Finding {
  const { maxTokens: texts } = offer.sampler;
  const isWhole = head.n === texts;
  const isEnded = head.finish === finish.cancelled || head.finish === finish.brokenOff;
  if (isWhole ? head.finish !== finish.length : !isEnded || head.n > texts)
    throw new FaultError(
      'bad-length',
      `a job of ${counted(texts, 'text')} ends with ${head.n} and finish ${head.finish}`,
    );
  return {
    result: 'pass',
    detail: isWhole
      ? `one vector for each of ${counted(texts, 'text')}`
      : `broken off after ${counted(head.n, 'vector')}`,
  };
}

/** Check 5: the tokens are those of the texts, and the vectors have the model's length. */
function checkTexts({ subject, vectors, dimensions }: VectorSubject, prompt: PromptEvidence | undefined): Finding {
  if (subject.receipt.input === null) return skipped('the texts are private');
  if (prompt === undefined) return skipped('needs the model file');
  checkPrompt(subject, prompt);
  const mismatch = (detail: string): FaultError => new FaultError('prompt-mismatch', detail);
  const own = prompt.texts;
  if (own === undefined || own.dimensions !== dimensions)
    throw mismatch(`the model's vectors do not have ${dimensions} numbers`);
  if (!isSameList(own.counts.slice(0, vectors.counts.length), vectors.counts))
    throw mismatch('the prompt tokens are divided otherwise than the texts are');
  return { result: 'pass', detail: 'the tokens are those of the texts' };
}

/** Check 6: bit for bit in an equal class, else by direction. */
function checkRecomputed({ vectors, dimensions }: VectorSubject, recomputed: RecomputedVectors): Finding {
  const delivered = checkedVectors(vectors, dimensions);
  const pairs = recomputed.vectors.flatMap((own, i) => {
    const bytes = delivered[i];
    return own === null || bytes === undefined ? [] : [{ i, own, theirs: vectorOfBytes(bytes) }];
  });
  const of = `${pairs.length} of ${counted(delivered.length, 'vector')}`;
  if (pairs.length === 0) return { result: 'inconclusive', detail: 'no vector was recomputed' };
  if (recomputed.tier === 'exact') {
    const other = pairs.find(({ own, theirs }) => !own.every((value, at) => Object.is(value, theirs[at])));
    if (other !== undefined)
      throw new FaultError('exact-mismatch', `vector ${other.i} is not that of this model and execution class`);
    return { result: 'pass', detail: `${of} computed again, equal bit for bit` };
  }
  const distances = pairs.map(({ own, theirs }) => cosineDistance(own, theirs));
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  const most = Math.max(...distances);
  const { limits } = recomputed;
  const measured = `1 − cosine is ${mean.toExponential(1)} on average, at most ${most.toExponential(1)}`;
  if ((pairs.length >= minMeanVectors && mean > limits.mean) || most > limits.single)
    throw new FaultError('vectors-far', `${measured}; ${limits.mean} and ${limits.single} are allowed`);
  return { result: 'pass', detail: `${of} computed again: ${measured}` };
}
