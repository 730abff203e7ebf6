import type { Limits } from '../../../proofs/calibration.ts';
import { rateBounds } from '../../../proofs/statistics/bounds.ts';
import { type CaseName, caseNames } from '../answers/tasks.ts';
import { openedCounts, reportLengths, usualCount } from '../constants.ts';
import type { JournalEntry, ModelLabel } from '../journal.ts';
import type { LabFacts } from '../labs/lab.ts';
import { type Fit, fitLimits } from './fit.ts';
import { type Check, type Judgement, judgeExactly, judgeLogits, judgeStatistically, judgeTokens } from './judge.ts';
import { type Pooled, poolSamples } from './pooled.ts';
import { isAcross, type Sample, samplesOf } from './samples.ts';

/** What `bench audit` found; the form of its JSON. Rates are shares, 0 … 1, with one-sided bounds of 95 %. */
export interface AuditReport {
  readonly version: 1;
  readonly dear: ModelLabel;
  readonly cheap: ModelLabel | null;
  readonly classes: readonly LabFacts[];
  readonly limits: { readonly table: Limits; readonly fitted: Limits; readonly fittedTo: number };
  readonly exact: Exactness;
  readonly cases: readonly CaseFigures[];
  readonly cost: readonly Cost[];
}

/** Honest answers recomputed in their own class. */
export interface Exactness {
  readonly answers: number;
  /** Steps whose logits were compared bit for bit, and how many differed. */
  readonly steps: number;
  readonly mismatches: number;
}

export interface CaseFigures {
  readonly name: CaseName;
  /** Answers of the half that figures are of, and all. */
  readonly answers: number;
  readonly allAnswers: number;
  /** Flagged by a verifier of the provider's own class, at the answers' full length. */
  readonly exact: Rate;
  /** Flagged by a verifier of another class, with the limits of the table and with fitted ones. */
  readonly statistical: readonly { readonly check: Check; readonly table: Rate; readonly fitted: Rate }[];
  /** Flagged on the evidence of many answers together, by the table's limit and by the fitted one. */
  readonly pooled: { readonly table: Pooled; readonly fitted: Pooled };
  /** What other schemes say of the same answers at their full length. */
  readonly schemes: Readonly<Record<'hash' | 'paths' | 'logits' | 'tokens', Rate>>;
}

export interface Rate {
  readonly flagged: number;
  readonly answers: number;
  readonly rate: number;
  readonly lower: number;
  readonly upper: number;
}

export interface Cost {
  readonly execClass: string;
  readonly generationMs: number;
  readonly verificationMs: number;
  /** Verification ÷ generation, CPU time, one answer at a time. */
  readonly ratio: number;
  /** The same by the clock, which counts what a GPU does, too. */
  readonly clockRatio: number;
}

export interface ReportInit {
  readonly dear: ModelLabel;
  readonly cheap: ModelLabel | null;
  readonly classes: readonly LabFacts[];
  readonly entries: readonly JournalEntry[];
  readonly table: Limits;
  readonly cost: readonly Cost[];
}

export function reportOf({ dear, cheap, classes, entries, table, cost }: ReportInit): AuditReport {
  const samples = samplesOf(entries, classes);
  const fit = fitLimits(samples.filter(({ isFitted }) => isFitted));
  const limits = { table, fitted: fit.limits, fittedTo: fit.answers };
  return {
    version: 1,
    dear,
    cheap,
    classes,
    limits,
    exact: exactnessOf(samples),
    cases: caseNames.flatMap((name) => {
      const own = samples.filter((sample) => sample.name === name);
      return own.length === 0 ? [] : [caseFigures(name, own, table, fit)];
    }),
    cost,
  };
}

function exactnessOf(samples: readonly Sample[]): Exactness {
  const own = samples.filter((sample) => sample.name === 'honest' && sample.isOwnClass);
  const flags = own.map(({ record }) => record.same);
  return {
    answers: own.length,
    steps: flags.reduce((sum, { length }) => sum + length, 0),
    mismatches: flags.reduce((sum, same) => sum + [...same].filter((flag) => flag === '0').length, 0),
  };
}

function caseFigures(name: CaseName, all: readonly Sample[], table: Limits, fit: Fit): CaseFigures {
  // Limits are fitted to honest answers alone: of cheats all count. A cheat of a class that shares the verifier's bits
  // is a cheat, an honest answer of such a class says nothing.
  const across = all.filter((sample) =>
    name === 'honest' ? !sample.isFitted && isAcross(sample) : !sample.isOwnClass,
  );
  const own = all.filter(({ isOwnClass }) => isOwnClass);
  const answers = new Set(across.map(({ number }) => number)).size;
  const checkOf = (sample: Sample): Check => ({ length: sample.length, count: usualCount });
  return {
    name,
    answers,
    allAnswers: new Set(all.map(({ number }) => number)).size,
    exact: rateOf(own, (sample) => judgeExactly(sample, checkOf(sample))),
    statistical: checks().map((check) => {
      const long = across.filter(({ length }) => length >= check.length);
      return {
        check,
        table: rateOf(long, (sample) => judgeStatistically(sample, check, table)),
        fitted: rateOf(long, (sample) => judgeStatistically(sample, check, fit.limits)),
      };
    }),
    pooled: { table: poolSamples(across, table), fitted: poolSamples(across, fit.limits) },
    schemes: {
      // The provider itself makes the hash, the paths and the recomputation: they agree with whatever it sent.
      hash: rateFrom(0, answers),
      paths: rateFrom(0, answers),
      logits: rateOf(across, (sample) => judgeLogits(sample, checkOf(sample), table)),
      tokens: rateOf(across, (sample) => judgeTokens(sample, checkOf(sample), fit.maxUnlisted)),
    },
  };
}

/** Every length with the usual challenge, and every challenge at the two longest. */
function checks(): readonly Check[] {
  const byLength = reportLengths.map((length) => ({ length, count: usualCount }));
  const byCount = reportLengths
    .slice(-2)
    .flatMap((length) => openedCounts.filter((count) => count !== usualCount).map((count) => ({ length, count })));
  return [...byLength, ...byCount];
}

/**
 * Of answers, not of comparisons: what several classes say of one answer is not independent. An honest answer counts as
 * flagged if any of them flags it, a cheat if all do.
 */
function rateOf(samples: readonly Sample[], judge: (sample: Sample) => Judgement): Rate {
  const answers = [...Map.groupBy(samples, ({ number }) => number).values()];
  const isFlagged = (sample: Sample): boolean => judge(sample).result === 'fail';
  const flagged = answers.filter((found) =>
    found[0]?.name === 'honest' ? found.some(isFlagged) : found.every(isFlagged),
  ).length;
  return rateFrom(flagged, answers.length);
}

function rateFrom(flagged: number, answers: number): Rate {
  if (answers === 0) return { flagged, answers, rate: 0, lower: 0, upper: 1 };
  return { flagged, answers, rate: flagged / answers, ...rateBounds(flagged, answers) };
}
