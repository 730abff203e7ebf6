import type { CaseName } from '../answers/tasks.ts';

/** What each kind of provider does, for tables and pages. */
export const caseTitles: Readonly<Record<CaseName, string>> = {
  honest: 'honest, another execution class',
  cheaper: 'a cheaper quantisation',
  prefilled: 'cheaper, true candidates filled in (prefill attack)',
  nudged: 'cheaper, true candidates nudged, any budget',
  'nudged-25': 'nudged, at most 0.25 a step',
  'nudged-10': 'nudged, at most 0.10 a step',
  'nudged-5': 'nudged, at most 0.05 a step',
  sparse: 'cheaper at 10 % of the steps',
  'sparse-nudged': 'cheaper at 10 % of the steps, nudged',
  'noise-1': 'weights changed by 1 %',
  'noise-5': 'weights changed by 5 %',
  'prompt-hidden': 'a hidden instruction in the prompt',
  'prompt-cut': 'the question cut by two words',
  kv: 'a KV cache of 8 bits',
};

/** A share as a percentage with the digits that a bound deserves: `99.4 %`, `0.12 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value === 100) return `${value} %`;
  return `${value.toFixed(value < 1 || value > 99 ? 2 : 1)} %`;
}
