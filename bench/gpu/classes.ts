/**
 * `node bench/gpu/classes.ts MODEL.gguf …`: which execution classes of this machine's GPU give equal bits by which
 * schedules, as its engine's own self-test finds out, and how long an answer of 64 tokens and its verification take.
 * One line of JSON for each model and class.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../../src/model/llama.ts';
import { createModelStore } from '../../src/model/store.ts';
import { jobOf } from '../../src/sdk/bench/answers/job.ts';
import { createLab } from '../../src/sdk/bench/labs/lab.ts';

/** Most classes differ in what a call carries; one sequence or several, with and without flash attention. */
const batches = [1, 8, 16, 32, 63, 64, 128, 512];
const slotCounts = [1, 4];
const tokens = 64;
const repeats = 3;

const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-gpu-'));
try {
  const store = createModelStore({ dir: cacheDir });
  for (const path of process.argv.slice(2)) {
    const model = await store.resolve(path);
    if (model === null) throw new Error(`no model file at ${path}`);
    for (const flash of [true, false])
      for (const slots of slotCounts)
        for (const batch of batches) {
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
          const begun = performance.now();
          const { exec, sameBits } = await engine.runSelfTest();
          const selfTestMs = Math.round(performance.now() - begun);
          const lab = createLab({ open: async () => engine });
          let times = { answerMs: Infinity, checkMs: Infinity };
          for (let number = 0; number < repeats; number++) {
            const job = jobOf(number, tokens);
            const answered = await lab.answer('honest', job);
            const checked = await lab.measure(
              job,
              answered.value.map(({ answer }) => answer),
            );
            times = {
              answerMs: Math.round(Math.min(times.answerMs, answered.clockMs)),
              checkMs: Math.round(Math.min(times.checkMs, checked.clockMs)),
            };
          }
          const asked = { flash, slots, batch };
          const label = `${model.name} ${model.quant}`;
          process.stdout.write(`${JSON.stringify({ model: label, asked, sameBits, selfTestMs, ...times, exec })}\n`);
          await engine.dispose();
        }
  }
} finally {
  await rm(cacheDir, { recursive: true, force: true });
}
