import { QvacError } from '../../errors.ts';
import type { Calibration } from '../../proofs/calibration.ts';
import { minCalibrationAnswers } from './constants.ts';
import { fitLimits } from './figures/fit.ts';
import type { AuditReport } from './figures/report.ts';
import { isAcross, samplesOf } from './figures/samples.ts';
import type { JournalEntry } from './journal.ts';

/**
 * The limits of one model as a file of section 6. They are fitted to half of the honest answers, and the evidence
 * counts those.
 * @throws QvacError E_USAGE if there are too few answers
 */
export function calibrationOf(report: AuditReport, entries: readonly JournalEntry[]): Calibration {
  const fitted = samplesOf(entries, report.classes).filter(({ isFitted }) => isFitted);
  const fit = fitLimits(fitted);
  if (fit.answers < minCalibrationAnswers)
    throw new QvacError(
      'E_USAGE',
      `${fit.answers} honest answers of two classes are too few to fit limits to, of ${minCalibrationAnswers}`,
      { hint: 'go on with more: qvac bench audit --answers 400 --calibrate' },
    );
  const classes = new Set(
    fitted
      .filter((sample) => sample.name === 'honest' && isAcross(sample))
      .flatMap(({ provider, record }) => [provider, record.verifier]),
  );
  return {
    version: 1,
    modelId: report.dear.id,
    limits: fit.limits,
    // What a class's own self-test shows is finer than what this file could say (section 6).
    sameBits: {},
    evidence: {
      jobs: fit.answers,
      steps: fit.steps,
      classes: [...classes].flatMap((at) => report.classes[at]?.execClass ?? []).sort(),
    },
  };
}
