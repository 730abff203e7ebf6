import type { Exec } from '../../protocol/messages.ts';

/** Batches that are tried if the usual one is not exact. */
export const smallerBatches: readonly number[] = [32, 16, 8];
/** Prompt blocks of another machine's class that this one tests. */
const promptBatches: readonly number[] = [32, 63, 128, 256, 512];
/** Sequences of another machine's class that this one tests. */
const maxReproducedSequences = 8;

/** Most tokens that an engine call of that class carries. */
export function callSize({ batch, promptBatch }: Exec): number {
  return Math.max(batch, promptBatch);
}

export function isSameExec(a: Exec, b: Exec): boolean {
  return (
    a.threads === b.threads &&
    a.sequences === b.sequences &&
    a.batch === b.batch &&
    a.promptBatch === b.promptBatch &&
    isSameMachine(a, b)
  );
}

/** True if only what a schedule decides may differ. */
export function isSameMachine(a: Exec, b: Exec): boolean {
  return (
    a.engine === b.engine &&
    a.backend === b.backend &&
    a.kernels === b.kernels &&
    a.flash === b.flash &&
    a.kv === b.kv &&
    a.gpuLayers === b.gpuLayers
  );
}

/** True if only what a schedule decides differs. The choices are few: no stranger's class makes us test without end. */
export function isReproducible(exec: Exec, own: Exec): boolean {
  const isKnownBatch = exec.batch === own.batch || (smallerBatches.includes(exec.batch) && exec.batch < own.batch);
  const isKnownPromptBatch = exec.promptBatch === own.promptBatch || promptBatches.includes(exec.promptBatch);
  return (
    isSameMachine(exec, own) &&
    isKnownBatch &&
    isKnownPromptBatch &&
    callSize(exec) <= callSize(own) &&
    [0, 1, own.threads].includes(exec.threads) &&
    exec.sequences <= maxReproducedSequences
  );
}
