import { SeededRandom } from '../../test/support/fuzz/random.ts';
import { type FuzzTarget, fuzzOnce, fuzzTargets } from '../../test/support/fuzz/targets.ts';
import { type Figure, rounded, type Scenario } from '../report.ts';

/** Changed inputs for each door; `QVAC_BENCH_INPUTS` asks for another number. */
const inputs = Number(process.env.QVAC_BENCH_INPUTS ?? 1_000_000);
/** Inputs that were taken wrongly and are printed, for each door. */
const maxPrinted = 3;

interface Run {
  readonly failures: number;
  readonly wellFormed: number;
  readonly slowestMs: number;
  readonly tookMs: number;
}

function fuzz(target: FuzzTarget): Run {
  const random = new SeededRandom(2);
  let [failures, wellFormed, slowestMs] = [0, 0, 0];
  const startMs = performance.now();
  for (let at = 0; at < inputs; at++) {
    const beforeMs = performance.now();
    try {
      if (fuzzOnce(target, random)) wellFormed++;
    } catch (error) {
      if (++failures <= maxPrinted) console.error(error);
    }
    slowestMs = Math.max(slowestMs, performance.now() - beforeMs);
  }
  return { failures, wellFormed, slowestMs, tookMs: performance.now() - startMs };
}

export const scenario: Scenario = async () =>
  fuzzTargets.map((target): Figure => {
    const { failures, wellFormed, slowestMs, tookMs } = fuzz(target);
    return {
      name: `changed inputs taken wrongly: ${target.name}`,
      value: failures,
      unit: '',
      goal: { atMost: 0 },
      details: {
        inputs,
        wellFormed,
        slowestMs: rounded(slowestMs),
        inputsPerSecond: rounded(inputs / (tookMs / 1_000)),
      },
    };
  });
