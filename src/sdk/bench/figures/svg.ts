/** One curve: shares by a number, with their bounds. */
export interface Series {
  readonly name: string;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly lower: number;
    readonly upper: number;
  }[];
}

const [width, height] = [900, 340];
const plot = { left: 45, right: 360, top: 10, bottom: 35 };

/** Curves over a logarithmic axis, a legend beside them; shares from 0 to 1 upwards. */
export function chart(series: readonly Series[], unit: string): string {
  const shown = series.filter(({ points }) => points.length > 0);
  const ticks = [...new Set(shown.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const [first = 1, last = 2] = [ticks[0], ticks.at(-1)];
  const xOf = (value: number): number =>
    plot.left + ((width - plot.left - plot.right) * Math.log(value / first)) / Math.max(Math.log(last / first), 1e-9);
  const yOf = (share: number): number => plot.top + (height - plot.top - plot.bottom) * (1 - share);
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<path d="M${plot.left} ${yOf(share)}H${width - plot.right}" stroke="#8886" fill="none"/>` +
      `<text x="${plot.left - 6}" y="${yOf(share) + 4}" text-anchor="end">${share * 100}</text>`,
  );
  const marks = ticks.map(
    (tick) => `<text x="${xOf(tick)}" y="${height - plot.bottom + 16}" text-anchor="middle">${tick}</text>`,
  );
  const curves = shown.map(({ points }, at) => {
    const colour = colourOf(at, shown.length);
    const line = points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${xOf(x)} ${yOf(y)}`).join('');
    const bars = points.map(({ x, lower, upper }) => `M${xOf(x)} ${yOf(lower)}V${yOf(upper)}`).join('');
    return (
      `<path d="${line}" stroke="${colour}" stroke-width="2" fill="none"/>` +
      `<path d="${bars}" stroke="${colour}" opacity=".4" fill="none"/>`
    );
  });
  const legend = shown.map(({ name }, at) => {
    const y = plot.top + 12 + at * 20;
    const x = width - plot.right + 20;
    const mark = `<rect x="${x}" y="${y - 9}" width="12" height="10" fill="${colourOf(at, shown.length)}"/>`;
    return `${mark}<text x="${x + 18}" y="${y}">${name}</text>`;
  });
  const middle = (plot.left + width - plot.right) / 2;
  const label = `<text x="${middle}" y="${height - 4}" text-anchor="middle">${unit}</text>`;
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="share flagged, per cent, by ${unit}">
${[...grid, ...marks, ...curves, ...legend, label].join('\n')}
</svg>`;
}

function colourOf(at: number, count: number): string {
  return `hsl(${Math.round((360 * at) / count)} 65% 50%)`;
}
