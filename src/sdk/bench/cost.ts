import type { AbortOptions } from '../../lib/types.ts';
import { jobOf } from './answers/job.ts';
import { costJobs, costTokens } from './constants.ts';
import type { Cost } from './figures/report.ts';
import type { Lab } from './labs/lab.ts';

/**
 * CPU time of generating and of recomputing answers in each class, one answer at a time with nothing beside it: the
 * median of a few. The first answer warms the engine up.
 */
export async function measureCost(labs: readonly Lab[], options: AbortOptions = {}): Promise<readonly Cost[]> {
  const costs: Cost[] = [];
  for (const lab of labs) {
    const { execClass } = await lab.facts(options);
    const times: { readonly generation: number; readonly verification: number }[] = [];
    for (let number = 0; times.length <= costJobs; number++) {
      const job = jobOf(number, costTokens);
      const { value: cases, cpuMs: generation } = await lab.answer('honest', job, options);
      const { cpuMs: verification } = await lab.measure(
        job,
        cases.map(({ answer }) => answer),
        options,
      );
      times.push({ generation, verification });
    }
    const measured = times.slice(1);
    const generationMs = median(measured.map(({ generation }) => generation));
    const verificationMs = median(measured.map(({ verification }) => verification));
    const ratio = median(measured.map(({ generation, verification }) => verification / generation));
    costs.push({ execClass, generationMs, verificationMs, ratio });
  }
  return costs;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
