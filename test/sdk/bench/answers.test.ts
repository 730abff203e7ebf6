import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerWith, verifyWith } from '../../../bench/support/local-job.ts';
import { gatherEvidence } from '../../../src/model/verify.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { AnswerDraws } from '../../../src/proofs/sampling/draws.ts';
import { selectCandidates } from '../../../src/proofs/sampling/sampler.ts';
import { distancesOf } from '../../../src/proofs/statistics/thresholds.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import { decodeOpening } from '../../../src/protocol/validate.ts';
import { type AuditJob, jobOf } from '../../../src/sdk/bench/answers/job.ts';
import { measureAnswer, type StepMeasures } from '../../../src/sdk/bench/answers/measure.ts';
import { nudged } from '../../../src/sdk/bench/answers/nudge.ts';
import { runTask, type TaskName, taskNames } from '../../../src/sdk/bench/answers/tasks.ts';
import { scriptedVariant } from '../../support/audit-lab.ts';
import { disguised } from '../../support/cheats/engines.ts';

const length = 48;
const zeros = (flags: string): number => [...flags].filter((flag) => flag === '0').length;

/** One task's answers, as a verifier of the class `kernels` finds them. */
async function found(task: TaskName, number: number, kernels: string): Promise<Readonly<Record<string, StepMeasures>>> {
  const job = jobOf(number, length);
  const dear = scriptedVariant('dear', 'one');
  const cases = await runTask({ dear, open: async (variant) => scriptedVariant(variant, 'one') }, task, job);
  const verifier = scriptedVariant('dear', kernels);
  const prompt = verifier.tokenizer.encodePrompt({
    messages: [{ role: 'user', content: job.question }],
    template: 'gguf',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  }).tokens;
  const session = await verifier.open();
  const entries = cases.map(async ({ name, answer }) => {
    assert.equal(answer.tokens.length, length);
    const tops = await session.replay(prompt, answer.tokens, job.topK + 20);
    return [name, measureAnswer(job, answer, tops)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe('answers of the audit benchmark', () => {
  it('are the same for the same number, and honest ones equal in their own class, step by step', async () => {
    const [{ honest }, again] = [await found('honest', 3, 'one'), await found('honest', 3, 'one')];
    assert.deepEqual(again.honest, honest);
    const ones = '1'.repeat(length);
    assert.deepEqual([honest?.same, honest?.drawn, honest?.redrawn], [ones, ones, ones]);
    assert.ok(honest?.miss.every((miss) => miss === 0));
  });

  it('of another class are near and never equal', async () => {
    const { honest } = await found('honest', 3, 'two');
    assert.equal(honest?.same, '0'.repeat(length));
    assert.equal(honest?.drawn, '1'.repeat(length));
    assert.ok(zeros(honest?.redrawn ?? '') < length / 3);
  });

  it('give the three faces of a cheaper model: its own candidates, the true ones, and nudged ones', async () => {
    const { cheaper, prefilled, nudged: moved } = await found('cheaper', 2, 'one');
    // Its own candidates: the draws follow, no logit is right.
    assert.equal(cheaper?.drawn, '1'.repeat(length));
    assert.equal(cheaper?.same, '0'.repeat(length));
    // The true ones: every logit is right, the draws do not follow.
    assert.equal(prefilled?.same, '1'.repeat(length));
    assert.ok(zeros(prefilled?.drawn ?? '') > length / 8);
    // Nudged: the draws follow where they can, and the logits are wrong only where they were moved.
    assert.ok(zeros(moved?.drawn ?? '') < zeros(prefilled?.drawn ?? '') / 2);
    assert.equal(moved?.redrawn, prefilled?.redrawn);
    assert.ok(zeros(moved?.same ?? '') > 0 && zeros(moved?.same ?? '') < length);
  });

  it('keep a nudge within its budget, and use the cheaper model at a tenth of the steps', async () => {
    for (const [task, budget] of [
      ['nudged-25', 0.25],
      ['nudged-10', 0.1],
      ['nudged-5', 0.05],
    ] as const) {
      const measured = (await found(task, 5, 'one'))[task];
      assert.ok(Math.max(...(measured?.tv ?? [1])) <= budget * 1e6, task);
      assert.equal(measured?.drawn, '1'.repeat(length), task);
      assert.ok(zeros(measured?.same ?? '') > 0, task);
    }
    let cheapSteps = 0;
    for (let number = 0; number < 8; number++)
      cheapSteps += zeros((await found('sparse', number, 'one')).sparse?.same ?? '');
    assert.ok(cheapSteps > 0.05 * 8 * length && cheapSteps < 0.15 * 8 * length);
  });

  it('exist for every kind of provider, each with another fault than none', async () => {
    for (const task of taskNames.filter((name) => name !== 'honest')) {
      const several = await Promise.all([1, 2, 3].map((number) => found(task, number, 'one')));
      for (const name of Object.keys(several[0] ?? {}))
        assert.ok(
          several.some((cases) => cases[name]?.same.includes('0') || cases[name]?.drawn.includes('0')),
          name,
        );
    }
  });
});

describe('a nudge', () => {
  it('is none where the draw picks the token anyway, else the least that makes it', async () => {
    const job: AuditJob = jobOf(1, 8);
    const session = await scriptedVariant('dear', 'one').open();
    const top = await session.prefill([1, 2, 3], 40);
    const draws = (): AnswerDraws => new AnswerDraws({ seed: seedOfNumber(1n), weighing: job.weighing, extra: {} });
    const { candidates } = selectCandidates(top, job.topK);
    const drawn = draws().pick(candidates);
    const none = nudged(job, top, draws(), drawn);
    assert.deepEqual([none.moved, none.picks, none.committed.candidates], [0, true, candidates]);
    let made = 0;
    for (const [wanted] of candidates.filter(([id]) => id !== drawn)) {
      const step = nudged(job, top, draws(), wanted);
      if (!step.picks) continue;
      made++;
      assert.equal(draws().pick(step.committed.candidates), wanted);
      assert.ok(step.moved > 0);
    }
    assert.ok(made > 0);
  });
});

describe('what the benchmark measures', () => {
  it('is what the checks of a receipt find', async () => {
    const [honest, verifier] = [scriptedVariant('dear', 'one'), scriptedVariant('dear', 'two')];
    for (const provider of [honest, disguised(scriptedVariant('cheap', 'one'), honest)]) {
      const job = jobOf(4, length);
      const { weighing, topK, maxTokens, question, number } = job;
      const sampler = { ...weighing, topK, maxTokens };
      const receipt = await answerWith(provider, { claimed: honest, question, sampler, number });
      const assessment = await verifyWith(verifier, receipt);
      const opening = decodeOpening(receipt.opening?.body ?? new Uint8Array());
      assert.equal(opening.v, 1);
      const tops = (await gatherEvidence({ engine: verifier }, receipt)).replay?.steps ?? [];
      const committed = tops.map((top, i) => {
        const opened = opening.v === 1 ? opening.steps.find((step) => step.i === i) : undefined;
        const { logits, candidates } = selectCandidates(
          top ?? { ids: new Uint32Array(), logits: new Float32Array() },
          topK,
        );
        return { logits, candidates: opened?.candidates ?? candidates };
      });
      const measured = measureAnswer(
        job,
        { tokens: receipt.tokens, committed },
        tops.map((top) => top ?? assert.fail()),
      );
      const at = opening.v === 1 ? opening.steps.map(({ i }) => i) : [];
      const { meanTv, rmsDq } = distancesOf(
        at.map((i) => (measured.tv[i] ?? 0) / 1e6),
        at.map((i) => (measured.square[i] ?? 0) / 1e6),
      );
      const near = (a: number | null, b: number | null): boolean => Math.abs((a ?? 0) - (b ?? 0)) <= 2;
      assert.ok(near(meanTv, assessment.meanTv) && near(rmsDq, assessment.rmsDq));
      const meanMiss = measured.miss.reduce((sum, miss) => sum + miss, 0) / measured.miss.length;
      assert.ok(near(Math.round(meanMiss), assessment.meanMiss));
    }
  });

  it('is nothing that a check without recomputation sees: the cheat’s receipt is whole', async () => {
    const honest = scriptedVariant('dear', 'one');
    const { weighing, topK, question, number } = jobOf(4, length);
    const sampler = { ...weighing, topK, maxTokens: length };
    const cheat = disguised(scriptedVariant('cheap', 'one'), honest);
    // Hash of the answer, paths to the signed root, draws from what was committed: all as of an honest answer.
    const { result, faults, checks } = assess(
      await answerWith(cheat, { claimed: honest, question, sampler, number }),
      {},
    );
    assert.deepEqual([result, faults], ['pass', []]);
    assert.ok(checks.some(({ name, result: outcome }) => name === 'opening' && outcome === 'pass'));
  });
});
