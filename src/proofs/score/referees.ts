import { concat, equalBytes, toHex } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import { maxReferees } from '../../protocol/constants.ts';
import { sha256, tag } from '../../protocol/digests.ts';
import type { FaultCode, Result, Tier } from '../../protocol/messages.ts';
import { noStatistics, type Statistics } from '../checks/statistics.ts';
import type { Assessment } from '../checks.ts';
import type { PooledMisses } from '../statistics/pooled.ts';

const refereeTag = tag('qvac/referee/1');

/**
 * Section 4.7: the order in which peers are drawn as referees of an answer.
 * @param root of the answer's final head
 * @param secret that was revealed for it
 * @param peers raw keys
 */
export function drawReferees(
  root: Uint8Array,
  secret: Uint8Array,
  peers: readonly Uint8Array[],
): readonly Uint8Array[] {
  const drawn = peers.map((peer) => ({ peer, draw: toHex(sha256(concat(refereeTag, root, secret, peer))) }));
  return drawn.sort((a, b) => (a.draw < b.draw ? -1 : 1)).map(({ peer }) => peer);
}

/** What the comparison of an answer with one referee's numbers gave. */
export interface Comparison extends Statistics {
  /** The score job. */
  readonly jobId: JobId;
  /** Raw key of the referee. */
  readonly referee: Uint8Array;
  readonly result: Result;
  readonly fault: FaultCode | null;
  readonly tier: Tier;
  /** The fault is in the tokens before the job, which another provider wrote (section 4.6). @default false */
  readonly inContinuation?: boolean | undefined;
  /** What it would add to the evidence about the provider. @default null: nothing */
  readonly pooled?: PooledMisses | null | undefined;
}

/** What the referees' numbers say of an answer. */
export interface Judgement extends Statistics {
  readonly result: Result;
  readonly fault: FaultCode | null;
  /** Null if no two agree. */
  readonly tier: Tier | null;
  /** As of a comparison. @default false */
  readonly inContinuation?: boolean | undefined;
  /** What three referees together add to the evidence about the provider. @default null: nothing */
  readonly pooled?: PooledMisses | null | undefined;
  /** Score jobs that the result rests on, in the order of their draw. */
  readonly referees: readonly JobId[];
  /** Score jobs of referees that contradict two others: `referee-far`. */
  readonly farReferees: readonly JobId[];
  /** How many referees gave numbers. */
  readonly heard: number;
}

/**
 * Section 4.7: one pass is a pass; anything else draws up to three, and what two of them give is the result.
 * @param comparisons in the order of their draw; null for a score job that says nothing, as if it had not been drawn
 * @param passes how many have to pass for a pass: 2 for who asks three at once
 */
export function judgeReferees(comparisons: readonly (Comparison | null)[], passes: 1 | 2 = 1): Judgement {
  const drawn = distinctReferees(comparisons.filter((one) => one !== null)).slice(0, maxReferees);
  const [first] = drawn;
  const heard = drawn.length;
  const pooled = middleOf(drawn);
  if (first?.result === 'pass' && passes === 1) return judgementOf([first], [], { heard, pooled });
  for (const { result } of drawn) {
    const agreeing = drawn.filter((one) => one.result === result);
    if (agreeing.length < 2) continue;
    const opposite: Result | null = result === 'pass' ? 'fail' : result === 'fail' ? 'pass' : null;
    return judgementOf(
      agreeing,
      drawn.filter((one) => one.result === opposite),
      { heard, pooled },
    );
  }
  return { ...noStatistics, result: 'inconclusive', fault: null, tier: null, referees: [], farReferees: [], heard };
}

/** One referee has one voice. */
function distinctReferees(comparisons: readonly Comparison[]): readonly Comparison[] {
  return comparisons.filter(
    ({ referee }, at) => comparisons.findIndex((other) => equalBytes(other.referee, referee)) === at,
  );
}

/**
 * The misses that the middle one of three referees found: one that lies can push them neither up nor down past an
 * honest one's. Null with fewer: the word of one alone would count for a provider, or against it, in many answers.
 */
function middleOf(drawn: readonly Comparison[]): PooledMisses | null {
  const found = drawn.flatMap(({ pooled = null }) => pooled ?? []);
  if (found.length < maxReferees) return null;
  return found.toSorted((a, b) => a.sum - b.sum)[Math.floor(maxReferees / 2)] ?? null;
}

/** The result of those that agree; its numbers are those of the first one. */
function judgementOf(
  agreeing: readonly Comparison[],
  far: readonly Comparison[],
  all: Pick<Judgement, 'heard' | 'pooled'>,
): Judgement {
  const [{ result, fault, tier, meanTv, maxTv, rmsDq, meanMiss } = noComparison] = agreeing;
  const inContinuation = agreeing.length > 0 && agreeing.every((each) => each.inContinuation === true);
  return {
    result,
    fault,
    tier,
    meanTv,
    maxTv,
    rmsDq,
    meanMiss,
    inContinuation,
    referees: agreeing.map(({ jobId }) => jobId),
    farReferees: far.map(({ jobId }) => jobId),
    ...all,
  };
}

const noComparison = { ...noStatistics, result: 'inconclusive', fault: null, tier: null } as const;

/**
 * An assessment of checks 1 to 4 with the referees' judgement in the place of check 6, for the asker's verdict.
 * @param why there is no judgement, in a few words
 */
export function withJudgement(assessment: Assessment, judgement: Judgement, why: string | null = null): Assessment {
  const { result, fault, tier, meanTv, maxTv, rmsDq, meanMiss, referees } = judgement;
  if (assessment.result === 'fail') return assessment;
  const isDoubtful = assessment.checks.some((check) => check.result === 'inconclusive');
  return {
    ...assessment,
    result: result === 'pass' && isDoubtful ? 'inconclusive' : result,
    tier: tier ?? assessment.tier,
    faults: fault === null ? [] : [fault],
    inContinuation: judgement.inContinuation === true,
    pooled: judgement.pooled ?? null,
    meanTv,
    maxTv,
    rmsDq,
    meanMiss,
    referees,
    checks: [...assessment.checks, { name: 'referees', result, detail: why ?? wordsOf(judgement) }],
  };
}

function wordsOf({ result, fault, referees, heard }: Judgement): string {
  if (referees.length === 0) return `no two of ${heard} referees agree`;
  const voices = heard === 1 ? 'one referee' : `${referees.length} of ${heard} referees`;
  return result === 'inconclusive' ? `${voices} could not tell` : `${voices} found ${fault ?? 'no difference'}`;
}
