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
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function meetsGoal({ value, goal }: Figure): boolean | null {
  if (goal === null) return null;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** A table for people: name, value, goal, met or not. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const met = meetsGoal(figure);
    const goal = figure.goal === null ? '' : 'atMost' in figure.goal ? `≤ ${figure.goal.atMost}` : `≥ ${figure.goal.atLeast}`;
    return [figure.name, `${Number(figure.value.toPrecision(4))} ${figure.unit}`.trim(), goal, met === null ? '' : met ? 'met' : 'MISSED'];
  });
  const header = ['figure', 'value', 'goal', ''];
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  return [header, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n');
}
