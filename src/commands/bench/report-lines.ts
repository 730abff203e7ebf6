import type { AuditOutcome } from '../../sdk/bench/audit.ts';
import type { AuditReport, CaseFigures, Rate } from '../../sdk/bench/figures/report.ts';
import { caseTitles, percent } from '../../sdk/bench/figures/words.ts';
import { table } from '../../terminal/format.ts';

const shownLengths = [32, 64, 128];

/** The report as text: who is flagged, by which scheme, and what checking costs. */
export function reportLines(report: AuditReport, files: AuditOutcome['files']): readonly string[] {
  const { dear, exact, cases, cost, classes } = report;
  const lengths = shownLengths.filter((length) => cases.some((figures) => (rateAt(figures, length)?.answers ?? 0) > 0));
  const hasPools = cases.some(({ pooled }) => pooled.fitted.pools > 0);
  return [
    `${dear.name} ${dear.quant} in ${classes.length} execution classes`,
    `recomputed bit for bit: ${exact.answers} honest answers, ${exact.mismatches} of ${exact.steps} steps differ`,
    '',
    ...table(
      ['FLAGGED', ...lengths.map((length) => `${length} TOKENS`), ...(hasPools ? ['1,000 STEPS'] : []), 'OWN CLASS'],
      cases.map((figures) => [
        caseTitles[figures.name],
        ...lengths.map((length) => rateText(rateAt(figures, length), figures.name === 'honest')),
        ...(hasPools ? [pooledText(figures)] : []),
        rateText(figures.exact, figures.name === 'honest'),
      ]),
    ),
    '',
    ...table(
      ['THE SAME ANSWERS', 'HASH', 'PATHS', 'TOP-K', 'TOKENS', 'QVAC'],
      cases.map(({ name, schemes, exact: own }) => [
        caseTitles[name],
        percent(schemes.hash.rate),
        percent(schemes.paths.rate),
        percent(schemes.logits.rate),
        percent(schemes.tokens.rate),
        percent(own.rate),
      ]),
    ),
    '',
    ...table(
      ['CPU TIME', 'ANSWER', 'CHECK', 'RATIO', 'BY THE CLOCK'],
      cost.map(({ execClass, generationMs, verificationMs, ratio, clockRatio }) => [
        nameOf(classes.find((each) => each.execClass === execClass)?.kernels ?? execClass),
        `${generationMs.toFixed(0)} ms`,
        `${verificationMs.toFixed(0)} ms`,
        ratio.toFixed(2),
        clockRatio.toFixed(2),
      ]),
    ),
    '',
    ...Object.entries(files).flatMap(([name, path]) => (path === null ? [] : [`${name.padEnd(12)}${path}`])),
  ];
}

function nameOf(kernels: string): string {
  return kernels.split(' | ')[0] ?? kernels;
}

function rateAt({ statistical }: CaseFigures, length: number): Rate | null {
  return statistical.find(({ check }) => check.length === length && check.count === 16)?.fitted ?? null;
}

function pooledText({ pooled: { fitted } }: CaseFigures): string {
  return fitted.pools === 0 ? '–' : `${fitted.flagged} of ${fitted.pools}`;
}

function rateText(rate: Rate | null, isHonest: boolean): string {
  if (rate === null || rate.answers === 0) return '–';
  const bound = isHonest ? `≤ ${percent(rate.upper)}` : `≥ ${percent(rate.lower)}`;
  return `${rate.flagged} of ${rate.answers} (${bound})`;
}
