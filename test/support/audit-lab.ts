import type { Variant } from '../../src/sdk/bench/answers/tasks.ts';
import { createLab, type Lab } from '../../src/sdk/bench/labs/lab.ts';
import { createScriptedEngine, type ScriptedEngine } from './scripted-engine.ts';

/** As far from the true weights as Q4_0 is from Q8_0. */
const damageOf: Readonly<Record<Variant, number>> = { dear: 0, kv: 0.05, 'noise-1': 0.2, 'noise-5': 0.5, cheap: 0.9 };

/** A scripted engine for each variant, in the execution class `kernels`. */
export function scriptedVariant(variant: Variant, kernels: string, classNoise?: number): ScriptedEngine {
  return createScriptedEngine({
    damage: damageOf[variant],
    classNoise,
    exec: { kernels },
    slots: 4,
    queue: Number.MAX_SAFE_INTEGER,
  });
}

/** A lab with scripted engines, in this process. */
export function scriptedLab(kernels: string, classNoise?: number): Lab {
  return createLab({ open: async (variant) => scriptedVariant(variant, kernels, classNoise) });
}
