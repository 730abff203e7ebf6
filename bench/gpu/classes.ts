/**
 * `node bench/gpu/classes.ts MODEL.gguf …`: which execution classes of this machine's GPU give equal bits by which
 * schedules, as its engine's own self-test finds out. One line of JSON for each model and class.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../../src/model/llama.ts';
import { createModelStore } from '../../src/model/store.ts';

/** Most classes differ in what a call carries; one sequence or several, with and without flash attention. */
const batches = [1, 8, 16, 32, 63, 64, 128, 512];
const slotCounts = [1, 4];

const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-gpu-'));
try {
  const store = createModelStore({ dir: cacheDir });
  for (const path of process.argv.slice(2)) {
    const model = await store.resolve(path);
    if (model === null) throw new Error(`no model file at ${path}`);
    for (const flash of [true, false])
      for (const slots of slotCounts)
        for (const batch of batches) {
          const begun = performance.now();
          const engine = await openEngine({
            modelPath: model.path,
            modelId: model.id,
            name: model.name,
            context: 1_024,
            threads: 1,
            slots,
            batch,
            flash,
            cacheDir,
          });
          const { exec, sameBits } = await engine.runSelfTest();
          const ms = Math.round(performance.now() - begun);
          process.stdout.write(`${JSON.stringify({ model: `${model.name} ${model.quant}`, exec, sameBits, ms })}\n`);
          await engine.dispose();
        }
  }
} finally {
  await rm(cacheDir, { recursive: true, force: true });
}
