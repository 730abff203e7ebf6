/** One measured figure against its goal. Figures are ratios or sizes, so that machines can be compared. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The value that is still good; null where a figure is only recorded. */
  readonly goal: { readonly atMost: number } | { readonly atLeast: number } | null;
  /** What the figure was made of: baselines, repetitions, spreads. */
  readonly details: Readonly<Record<string, number | string | boolean | null>>;
}

/** A scenario measures one or more figures; it runs in a process of its own. */
export type Scenario = () => Promise<readonly Figure[]>;

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which `share` of `values` lie, between two of them interpolated; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return below + (above - below) * (at - Math.floor(at));
}

/** How `values` spread, as details of a figure: `<name>P10`, `<name>P50`, `<name>P90`. */
export function spread(name: string, values: readonly number[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [10, 50, 90].map((percent) => [`${name}P${percent}`, rounded(quantile(values, percent / 100))]),
  );
}

/** Four digits: what a measurement is good for. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function meetsGoal({ value, goal }: Figure): boolean | null {
  if (goal === null) return null;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** A table for people: name, value, goal, met or not. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const met = meetsGoal(figure);
    const goal =
      figure.goal === null ? '' : 'atMost' in figure.goal ? `≤ ${figure.goal.atMost}` : `≥ ${figure.goal.atLeast}`;
    return [
      figure.name,
      `${rounded(figure.value)} ${figure.unit}`.trim(),
      goal,
      met === null ? '' : met ? 'met' : 'MISSED',
    ];
  });
  const header = ['figure', 'value', 'goal', ''];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
