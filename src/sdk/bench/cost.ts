import type { AbortOptions } from '../../lib/types.ts';
import { jobOf } from './answers/job.ts';
import { costJobs, costTokens } from './constants.ts';
import type { Cost } from './figures/report.ts';
import type { Lab, Timed } from './labs/lab.ts';

/**
 * Time of generating and of recomputing answers in each class, one answer at a time with nothing beside it: the median
 * of a few. The first answer warms the engine up.
 */
export async function measureCost(labs: readonly Lab[], options: AbortOptions = {}): Promise<readonly Cost[]> {
  const costs: Cost[] = [];
  for (const lab of labs) {
    const { execClass } = await lab.facts(options);
    const times: { readonly generation: Timed<unknown>; readonly verification: Timed<unknown> }[] = [];
    for (let number = 0; times.length <= costJobs; number++) {
      const job = jobOf(number, costTokens);
      const generation = await lab.answer('honest', job, options);
      const answers = generation.value.map(({ answer }) => answer);
      times.push({ generation, verification: await lab.measure(job, answers, options) });
    }
    const medianOf = (of: (each: (typeof times)[number]) => number): number => median(times.slice(1).map(of));
    costs.push({
      execClass,
      generationMs: medianOf(({ generation }) => generation.cpuMs),
      verificationMs: medianOf(({ verification }) => verification.cpuMs),
      ratio: medianOf(({ generation, verification }) => verification.cpuMs / generation.cpuMs),
      clockRatio: medianOf(({ generation, verification }) => verification.clockMs / generation.clockMs),
    });
  }
  return costs;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
