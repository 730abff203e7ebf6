import type { Home } from '../config.ts';
import { QvacError } from '../errors.ts';
import { toHex } from '../lib/bytes.ts';
import { shortPeer } from '../lib/names.ts';
import type { JobId } from '../lib/types.ts';
import { type CalibrationOptions, loadCalibration } from '../model/calibrations.ts';
import { limitsOf } from '../proofs/calibration.ts';
import type { Assessment, CheckReport } from '../proofs/checks.ts';
import { decodeReceipt, type Receipt } from '../proofs/receipt.ts';
import { compareWithReferee } from '../proofs/score/compare.ts';
import { type Comparison, drawReferees, judgeReferees, withJudgement } from '../proofs/score/referees.ts';
import { peerIdOf } from '../proofs/signing.ts';
import { jobIdHex, modelIdHex } from '../protocol/digests.ts';
import { findReceipt } from './home.ts';

/** The receipts of the score jobs that the answer's verdicts name, as far as this home has them. */
export async function findScores(home: Home, receipt: Receipt): Promise<readonly Receipt[]> {
  const found: Receipt[] = [];
  for (const id of namedScores(receipt)) {
    try {
      found.push((await findReceipt(home, id)).receipt);
    } catch (error) {
      if (!(error instanceof QvacError) || error.code !== 'E_NOT_FOUND') throw error;
    }
  }
  return found;
}

/** Says which score jobs the answer's verdicts rest on, if the receipts of none of them are among `scores`. */
export function missingScores(receipt: Receipt, scores: readonly Receipt[]): readonly CheckReport[] {
  const named = namedScores(receipt);
  if (named.length === 0 || scores.length > 0) return [];
  const ids = named.map((id) => id.slice(0, 8)).join(', ');
  const detail = `its verdict rests on score jobs whose receipts are not here: ${ids}`;
  return [{ name: 'referees', result: 'skipped', detail }];
}

function namedScores(receipt: Receipt): readonly JobId[] {
  return [...new Set(decodeReceipt(receipt).verdicts.flatMap(({ referees }) => referees.map(jobIdHex)))];
}

/**
 * An assessment with the comparison of the answer and its referees' numbers, made again without the model (protocol
 * section 4.7).
 * @param assessment of checks 1 to 4, or more
 * @param scores receipts of the score jobs, in any order
 * @param options where limits of the model may be
 * @throws MalformedError if one of them is malformed
 */
export async function withScores(
  assessment: Assessment,
  receipt: Receipt,
  scores: readonly Receipt[],
  options: CalibrationOptions,
): Promise<Assessment> {
  if (assessment.result === 'fail' || scores.length === 0) return assessment;
  const modelId = modelIdHex(decodeReceipt(receipt).offer.modelId);
  const calibration = limitsOf(await loadCalibration(modelId, options));
  const comparisons = inDrawOrder(receipt, scores).flatMap((score) => {
    const comparison = compareWithReferee(receipt, score, { calibration });
    return comparison === null ? [] : [comparison];
  });
  if (comparisons.length === 0) {
    const detail = 'the receipts of the referees are not of this answer, or fail their own checks';
    return { ...assessment, checks: [...assessment.checks, { name: 'referees', result: 'inconclusive', detail }] };
  }
  const judged = withJudgement(assessment, judgeReferees(comparisons, comparisons.length > 1 ? 2 : 1));
  const last = judged.checks.at(-1);
  if (last === undefined) return judged;
  const detail = `${last.detail}: ${comparisons.map(wordsOf).join(', ')}`;
  return {
    ...judged,
    calibration: judged.tier === 'statistical' ? (calibration?.digest ?? null) : null,
    checks: [...judged.checks.slice(0, -1), { ...last, detail }],
  };
}

function wordsOf({ referee, result, tier, fault }: Comparison): string {
  return `${shortPeer(peerIdOf(referee))} ${fault ?? `${result} ${tier}`}`;
}

/** The order of the draw, which root and secret of the answer give. */
function inDrawOrder(receipt: Receipt, scores: readonly Receipt[]): readonly Receipt[] {
  const { head } = decodeReceipt(receipt);
  const byPeer = new Map(scores.map((score) => [toHex(decodeReceipt(score).offer.provider), score]));
  const peers = scores.map((score) => decodeReceipt(score).offer.provider);
  const order = drawReferees(head.root, receipt.secret ?? new Uint8Array(), peers).map(toHex);
  return [...new Set(order)].flatMap((peer) => byPeer.get(peer) ?? []);
}
