import type { Engine } from '../../src/model/engine.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import type { TestModelKind } from '../../test/support/models.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { withEngines } from '../support/engines.ts';
import { answerWith, verifyWith } from '../support/local-job.ts';

const answerTokens = 128;
const rounds = 8;
const question = 'Write a long story about a lighthouse keeper who finds a map. Describe the sea, the people in the village and every day of the journey.';
const sampler = { temperature: 70, minP: 5, topK: 20, maxTokens: answerTokens };

/** CPU milliseconds of this process for `work`, all threads. */
async function cpuMs<Value>(work: () => Promise<Value>): Promise<{ readonly ms: number; readonly value: Value }> {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, value };
}

/** Answers of the full length only: their number decides the ratio. */
async function nextAnswer(engine: Engine, from: number): Promise<{ readonly ms: number; readonly receipt: Receipt; readonly number: number }> {
  for (let number = from; ; number++) {
    const { ms, value } = await cpuMs(() => answerWith(engine, { claimed: engine, question, sampler, number }));
    if (value.tokens.length === answerTokens) return { ms, receipt: value, number };
  }
}

async function measure(engine: Engine, kind: TestModelKind, atMost: number): Promise<Figure> {
  const { sameBits } = await engine.runSelfTest();
  const times = { generation: [] as number[], verification: [] as number[] };
  let passed = 0;
  let tier = '';
  let number = 0;
  for (let round = -1; round < rounds; round++) {
    const answer = await nextAnswer(engine, number + 1);
    number = answer.number;
    const verification = await cpuMs(() => verifyWith(engine, answer.receipt));
    // The first one warms everything up.
    if (round < 0) continue;
    tier = verification.value.tier;
    if (verification.value.result === 'pass') passed++;
    times.generation.push(answer.ms);
    times.verification.push(verification.ms);
  }
  if (passed !== rounds) throw new Error(`${rounds - passed} of ${rounds} honest answers did not pass`);
  const ratios = times.verification.map((ms, round) => ms / (times.generation[round] ?? Number.NaN));
  const details = { tokens: answerTokens, rounds, passed, tier, sameBits: sameBits.join(' '), ...spread('ratio', ratios), ...spread('generationCpuMs', times.generation), ...spread('verificationCpuMs', times.verification) };
  return { name: `verification CPU ÷ generation CPU, ${kind}`, value: median(ratios), unit: '', goal: { atMost }, details };
}

export const scenario: Scenario = () =>
  withEngines(async (open) => [await measure(await open('q8_0'), 'q8_0', 0.3), await measure(await open('q4_1'), 'q4_1', 0.35)]);
