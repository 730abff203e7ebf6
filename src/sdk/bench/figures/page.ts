import type { Check } from './judge.ts';
import type { AuditReport, CaseFigures, Rate } from './report.ts';
import { chart, type Series } from './svg.ts';
import { caseTitles, percent } from './words.ts';

/** The report as one HTML file that needs nothing else: tables, and curves as SVG. */
export function pageOf(report: AuditReport): string {
  const { dear, cheap, classes } = report;
  const against = cheap === null ? '' : ` against ${cheap.name} ${cheap.quant}`;
  const sections = [
    `<h1>How well answers of ${escaped(`${dear.name} ${dear.quant}`)} are checked</h1>`,
    `<p>Measured${escaped(against)} by <code>qvac bench audit</code> in ${classes.length} execution classes:
${classes.map(({ kernels }) => `<code>${escaped(kernels.split(' | ')[0] ?? '')}</code>`).join(', ')}.
Limits were fitted to one half of the honest answers; all other figures are of the other half. Bounds are one-sided,
with 95 % confidence (Clopper and Pearson).</p>`,
    exactSection(report),
    curves(
      report,
      'Caught by length, 16 steps opened',
      'tokens',
      ({ count }) => count === 16,
      ({ length }) => length,
    ),
    curves(
      report,
      'Caught by number of opened steps, 128 tokens',
      'opened steps',
      ({ length }) => length === 128,
      ({ count }) => count,
    ),
    detectionTable(report),
    schemesTable(report),
    costTable(report),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>qvac bench audit: ${escaped(`${dear.name} ${dear.quant}`)}</title>
<style>${style}</style>
${sections.join('\n')}
</html>
`;
}

const style = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8884; padding: .25rem .5rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; } svg text { fill: currentColor; font-size: 11px; }
`;

function exactSection({ exact }: AuditReport): string {
  const { answers, steps, mismatches } = exact;
  return `<p>In the provider's own class ${answers} honest answers were recomputed bit for bit: ${mismatches} of
${steps} steps differ.</p>`;
}

function curves(
  { cases }: AuditReport,
  title: string,
  unit: string,
  isShown: (check: Check) => boolean,
  at: (check: Check) => number,
): string {
  const series = cases.map(
    ({ name, statistical }): Series => ({
      name: caseTitles[name],
      points: statistical
        .filter(({ check, fitted }) => isShown(check) && fitted.answers > 0)
        .map(({ check, fitted }) => ({ x: at(check), y: fitted.rate, lower: fitted.lower, upper: fitted.upper }))
        .sort((a, b) => a.x - b.x),
    }),
  );
  return `<h2>${escaped(title)}</h2>\n${chart(series, unit)}`;
}

function detectionTable({ cases }: AuditReport): string {
  const lengths = [32, 64, 128];
  const head = ['Provider', 'Answers', ...lengths.map((length) => `${length} tokens`), '1,000 steps', 'Own class'];
  const rows = cases.map((figures) => [
    caseTitles[figures.name],
    String(figures.answers),
    ...lengths.map((length) => rateText(rateAt(figures, length), figures.name === 'honest')),
    pooledText(figures),
    figures.name === 'honest' ? rateText(figures.exact, true) : rateText(figures.exact, false),
  ]);
  return `<h2>Flagged, with fitted limits</h2>
<p>The bound is what the rate is at least, for honest answers at most.</p>
${table(head, rows)}`;
}

function schemesTable({ cases }: AuditReport): string {
  const head = ['Provider', 'Hash of the answer', 'Merkle paths', 'Top-k logits alone', 'Tokens alone', 'qvac'];
  const rows = cases.map((figures) => [
    caseTitles[figures.name],
    percent(figures.schemes.hash.rate),
    percent(figures.schemes.paths.rate),
    percent(figures.schemes.logits.rate),
    percent(figures.schemes.tokens.rate),
    percent(figures.exact.rate),
  ]);
  return `<h2>The same answers under other schemes: share flagged</h2>\n${table(head, rows)}`;
}

function costTable({ cost, classes }: AuditReport): string {
  const rows = cost.map(({ execClass, generationMs, verificationMs, ratio, clockRatio }) => [
    classes.find((each) => each.execClass === execClass)?.kernels.split(' | ')[0] ?? execClass,
    generationMs.toFixed(0),
    verificationMs.toFixed(0),
    ratio.toFixed(2),
    clockRatio.toFixed(2),
  ]);
  return `<h2>CPU time of an answer of 64 tokens</h2>
${table(['Class', 'Generation, ms', 'Verification, ms', 'Ratio', 'Ratio by the clock'], rows)}`;
}

function rateAt({ statistical }: CaseFigures, length: number): Rate | null {
  return statistical.find(({ check }) => check.length === length && check.count === 16)?.fitted ?? null;
}

function rateText(rate: Rate | null, isHonest: boolean): string {
  if (rate === null || rate.answers === 0) return '–';
  const bound = isHonest ? `≤ ${percent(rate.upper)}` : `≥ ${percent(rate.lower)}`;
  return `${rate.flagged} of ${rate.answers} (${bound})`;
}

function pooledText({
  pooled: {
    fitted: { pools, flagged },
  },
}: CaseFigures): string {
  return pools === 0 ? '–' : `${flagged} of ${pools}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>\n${line(head, 'th')}\n${rows.map((row) => line(row, 'td')).join('\n')}\n</table>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? '&quot;');
}
