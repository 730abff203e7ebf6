import type { Engine } from '../../src/model/engine.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { type TestModelKind, testModel } from '../../test/support/models.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { type BareLoop, openBareLoop } from '../support/bare.ts';
import { cpuMs } from '../support/cpu.ts';
import { withEngines } from '../support/engines.ts';
import { answerWith, verifyWith } from '../support/local-job.ts';
import { benchInput } from '../support/nodes.ts';
import { questions } from '../support/questions.ts';

const answerTokens = 128;
const rounds = 8;
const longPromptTokens = 1_000;
const longRounds = 5;
/** Blocks of prompt and answer alike, as before `promptBatch` was a part of the class. */
const evenBatch = 63;
const question =
  'Write a long story about a lighthouse keeper who finds a map. Describe the sea, the people in the village and every day of the journey.';
const sampler = { temperature: 70, minP: 5, topP: 100, topK: 20, maxTokens: answerTokens };

/** The first answer of the full length, on which the ratio depends, among the jobs from number `from`. */
async function nextAnswer(
  engine: Engine,
  asked: string,
  from: number,
): Promise<{ readonly ms: number; readonly receipt: Receipt; readonly number: number }> {
  for (let number = from; ; number++) {
    const { ms, value } = await cpuMs(() => answerWith(engine, { claimed: engine, question: asked, sampler, number }));
    if (value.tokens.length === answerTokens) return { ms, receipt: value, number };
  }
}

/** CPU milliseconds of one answer and of its verification, by this engine and by the bare library. */
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
    const answer = await nextAnswer(engine, question, number + 1);
    number = answer.number;
    const taken = await timesOf(engine, bare, answer);
    tier = taken.tier;
    // The first round warms up.
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

/** A question whose prompt has at least `longPromptTokens` tokens. */
function longQuestion({ tokenizer }: Engine): string {
  const sentences: string[] = [];
  const countOf = (content: string): number =>
    tokenizer.encodePrompt({ ...benchInput, messages: [{ role: 'user', content }] }).tokens.length;
  while (countOf(sentences.join(' ')) < longPromptTokens)
    sentences.push(questions[sentences.length % questions.length] ?? '');
  return sentences.join(' ');
}

interface LongTimes {
  readonly generation: number;
  readonly verification: number;
}

async function longTimesOf(
  engine: Engine,
  asked: string,
  number: number,
): Promise<LongTimes & { readonly at: number }> {
  const { ms, receipt, number: at } = await nextAnswer(engine, asked, number + 1);
  const verification = await cpuMs(() => verifyWith(engine, receipt));
  const { result, tier } = verification.value;
  if (result !== 'pass' || tier !== 'exact') throw new Error(`an honest answer: ${result}, ${tier}`);
  return { generation: ms, verification: verification.ms, at };
}

/** Long prompts, in blocks of `promptBatch` and in blocks of 63 in turns. */
async function measureLongPrompts(wide: Engine, even: Engine): Promise<readonly Figure[]> {
  await wide.runSelfTest();
  await even.runSelfTest();
  const asked = longQuestion(wide);
  const [ours, before]: [LongTimes[], LongTimes[]] = [[], []];
  const numbers = { wide: 0, even: 0 };
  for (let round = -1; round < longRounds; round++) {
    const taken = await longTimesOf(wide, asked, numbers.wide);
    const takenBefore = await longTimesOf(even, asked, numbers.even);
    [numbers.wide, numbers.even] = [taken.at, takenBefore.at];
    if (round < 0) continue;
    ours.push(taken);
    before.push(takenBefore);
  }
  const ratioOf = ({ generation, verification }: LongTimes): number => verification / generation;
  const against = (of: (times: LongTimes) => number): number[] =>
    ours.map((each, round) => of(each) / of(before[round] ?? each));
  const cpu = (key: keyof LongTimes, times: readonly LongTimes[]): number[] => times.map((each) => each[key]);
  const relative = against(ratioOf);
  const saved = against(({ verification }) => verification);
  return [
    {
      name: `verification CPU ÷ generation CPU, prompt of ${longPromptTokens}, q8_0`,
      value: median(ours.map(ratioOf)),
      unit: '',
      goal: { atMost: 0.85 },
      details: {
        rounds: longRounds,
        promptBatch: wide.exec.promptBatch,
        ...spread('ratio', ours.map(ratioOf)),
        ...spread('generationCpuMs', cpu('generation', ours)),
        ...spread('verificationCpuMs', cpu('verification', ours)),
      },
    },
    {
      name: `  ÷ the same ratio in blocks of ${evenBatch}`,
      value: median(relative),
      unit: '×',
      goal: { atMost: 1 },
      details: { rounds: longRounds, ...spread('relative', relative), ...spread('ratio', before.map(ratioOf)) },
    },
    {
      name: `  verification CPU ÷ that in blocks of ${evenBatch}`,
      value: median(saved),
      unit: '×',
      goal: { atMost: 0.9 },
      details: {
        rounds: longRounds,
        ...spread('ratio', saved),
        ...spread('generationCpuMs', cpu('generation', before)),
        ...spread('verificationCpuMs', cpu('verification', before)),
      },
    },
  ];
}

export const scenario: Scenario = () =>
  withEngines(async (open) => [
    await measure(await open('q8_0'), 'q8_0', 0.3),
    await measure(await open('q4_1'), 'q4_1', 0.35),
    ...(await measureLongPrompts(await open('q8_0'), await open('q8_0', { promptBatch: evenBatch }))),
  ]);
