import type { Engine } from '../../src/model/engine.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { type TestModelKind, testModel } from '../../test/support/models.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { type BareLoop, openBareLoop } from '../support/bare.ts';
import { withEngines } from '../support/engines.ts';
import { answerWith, verifyWith } from '../support/local-job.ts';

const answerTokens = 128;
const rounds = 8;
const question =
  'Write a long story about a lighthouse keeper who finds a map. Describe the sea, the people in the village and every day of the journey.';
const sampler = { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: answerTokens };

/** CPU milliseconds of this process for `work`, all threads. */
async function cpuMs<Value>(work: () => Promise<Value>): Promise<{ readonly ms: number; readonly value: Value }> {
  const before = process.cpuUsage();
  const value = await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, value };
}

/** Answers of the full length only: their number decides the ratio. */
async function nextAnswer(
  engine: Engine,
  from: number,
): Promise<{ readonly ms: number; readonly receipt: Receipt; readonly number: number }> {
  for (let number = from; ; number++) {
    const { ms, value } = await cpuMs(() => answerWith(engine, { claimed: engine, question, sampler, number }));
    if (value.tokens.length === answerTokens) return { ms, receipt: value, number };
  }
}

/** CPU milliseconds of one answer, of its verification, and of the same without anything of ours. */
interface Times {
  readonly generation: number;
  readonly verification: number;
  readonly bareGeneration: number;
  readonly bareVerification: number;
}

async function timesOf(
  engine: Engine,
  bare: BareLoop,
  { ms, receipt }: { readonly ms: number; readonly receipt: Receipt },
): Promise<Times & { readonly tier: string }> {
  const verification = await cpuMs(() => verifyWith(engine, receipt));
  const { result, tier } = verification.value;
  if (result !== 'pass') throw new Error('an honest answer did not pass');
  const { promptTokens, tokens } = receipt;
  const bareGeneration = await cpuMs(() => bare.run(promptTokens, tokens));
  const bareVerification = await cpuMs(() => bare.replay(promptTokens, tokens));
  return {
    tier,
    generation: ms,
    verification: verification.ms,
    bareGeneration: bareGeneration.ms,
    bareVerification: bareVerification.ms,
  };
}

async function measure(engine: Engine, kind: TestModelKind, atMost: number): Promise<Figure> {
  const { sameBits } = await engine.runSelfTest();
  const bare = await openBareLoop((await testModel(kind)).path);
  const times: Times[] = [];
  let tier = '';
  let number = 0;
  for (let round = -1; round < rounds; round++) {
    const answer = await nextAnswer(engine, number + 1);
    number = answer.number;
    const taken = await timesOf(engine, bare, answer);
    tier = taken.tier;
    // The first one warms everything up.
    if (round >= 0) times.push(taken);
  }
  await bare.dispose();
  const ratios = times.map(({ generation, verification }) => verification / generation);
  const details = {
    tokens: answerTokens,
    rounds,
    tier,
    sameBits: sameBits.join(' '),
    ...spread('ratio', ratios),
    ...spread(
      'bareRatio',
      times.map(({ bareGeneration, bareVerification }) => bareVerification / bareGeneration),
    ),
    ...spread(
      'generationCpuMs',
      times.map(({ generation }) => generation),
    ),
    ...spread(
      'bareGenerationCpuMs',
      times.map(({ bareGeneration }) => bareGeneration),
    ),
    ...spread(
      'verificationCpuMs',
      times.map(({ verification }) => verification),
    ),
    ...spread(
      'bareVerificationCpuMs',
      times.map(({ bareVerification }) => bareVerification),
    ),
  };
  return {
    name: `verification CPU ÷ generation CPU, ${kind}`,
    value: median(ratios),
    unit: '',
    goal: { atMost },
    details,
  };
}

export const scenario: Scenario = () =>
  withEngines(async (open) => [
    await measure(await open('q8_0'), 'q8_0', 0.3),
    await measure(await open('q4_1'), 'q4_1', 0.35),
  ]);
