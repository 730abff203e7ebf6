import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, EngineInit, EngineSession } from '../../../src/model/engine.ts';
import { openEngine } from '../../../src/model/llama.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import { type TestModel, testCacheDir, testModel, tinyModel } from '../../support/models.ts';

const topK = 20;
/** Which of four jobs have a step to compute at the same time: every number of jobs, with and without gaps. */
const groups = [[0], [1], [2], [3], [0, 1], [0, 2], [3, 1], [0, 3], [3, 0, 1], [0, 2, 3], [3, 2, 1, 0]];
const jobs = [0, 1, 2, 3];
/** Steps of each job in all groups. */
const stepCount = Math.max(...jobs.map((job) => groups.filter((group) => group.includes(job)).length));

/** Logits by id, comparable bit by bit. */
function bitsOf({ ids, logits }: TopLogits): string {
  return [...ids.keys()]
    .map((at) => `${ids[at]}:${Buffer.from(Float32Array.of(logits[at] ?? 0).buffer).toString('hex')}`)
    .sort()
    .join(' ');
}

const tokenOf = (job: number, step: number): number => 40 + ((job * 50 + step * 7) % 400);

async function withEngine(
  model: TestModel,
  init: Partial<EngineInit>,
  work: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await openEngine({
    modelPath: model.path,
    modelId: model.id,
    cacheDir: testCacheDir,
    context: 1024,
    threads: 1,
    gpu: 'off',
    ...init,
  });
  try {
    await work(engine);
  } finally {
    await engine.dispose();
  }
}

async function prefill(session: EngineSession, length: number): Promise<string> {
  const prompt = Array.from({ length }, (_, at) => (at * 31 + length) % 500);
  return bitsOf(await session.prefill(prompt, topK));
}

/** The bits of every step of a job that has the engine for itself. */
async function alone(engine: Engine, job: number, length: number): Promise<readonly string[]> {
  const session = await engine.open();
  const bits = [await prefill(session, length)];
  for (let step = 0; step < stepCount; step++) bits.push(bitsOf(await session.decode(tokenOf(job, step), topK)));
  await session.release();
  return bits;
}

/** All four jobs in their slots, group after group; the bits of every step, by job. */
async function together(engine: Engine, lengths: readonly number[]): Promise<readonly (readonly string[])[]> {
  const sessions = await Promise.all(jobs.map(() => engine.open()));
  const bits: string[][] = [];
  for (const [job, session] of sessions.entries()) bits.push([await prefill(session, lengths[job] ?? 0)]);
  for (const group of groups)
    await Promise.all(
      group.map(async (job) => {
        const steps = bits[job] ?? assert.fail();
        const top = await sessions[job]?.decode(tokenOf(job, steps.length - 1), topK);
        steps.push(bitsOf(top ?? assert.fail()));
      }),
    );
  await Promise.all(sessions.map((session) => session.release()));
  return bits;
}

async function compare(model: TestModel, lengths: readonly number[], init: Partial<EngineInit> = {}): Promise<void> {
  const expected: (readonly string[])[] = [];
  await withEngine(model, {}, async (engine) => {
    for (const [job, length] of lengths.entries()) expected.push(await alone(engine, job, length));
  });
  await withEngine(model, { slots: jobs.length, ...init }, async (engine) => {
    assert.equal(engine.exec.sequences, jobs.length);
    if (init.threads !== undefined) assert.equal((await engine.runSelfTest()).exec.threads, 0);
    const found = await together(engine, lengths);
    for (const [job, steps] of found.entries())
      assert.deepEqual(steps, expected[job]?.slice(0, steps.length), `job ${job}`);
  });
}

describe('jobs side by side', () => {
  it('get the bits that each would get alone, whichever of them have a step to compute', async () => {
    await compare(await testModel('q4_1'), [20, 270, 33, 47]);
  });

  it('get them at several threads, too, behind histories that these would split', async () => {
    await compare(await tinyModel({ kind: 'q8_0' }), [520, 516, 530, 514], { threads: 2 });
  });
});
