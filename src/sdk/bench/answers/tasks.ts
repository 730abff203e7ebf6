import type { Engine, EngineSession } from '../../../model/engine.ts';
import { cheatCandidates, hiddenInstruction } from '../constants.ts';
import { type Answer, honestRule, makeAnswer, sideBySide, sourceOf } from './answer.ts';
import { nudgedTo, nudgingRule, prefilled, sparseRule } from './cheats.ts';
import { type AuditJob, inputOf } from './job.ts';

/** Who answers: a model file with its engine. */
export type Variant = 'dear' | 'cheap' | 'noise-1' | 'noise-5' | 'kv';

/** An answer of one kind of provider. */
export interface CaseAnswer {
  readonly name: CaseName;
  readonly answer: Answer;
}

export type CaseName = (typeof caseNames)[number];

/** Every kind of provider, the honest one first. */
export const caseNames = [
  'honest',
  'cheaper',
  'prefilled',
  'nudged',
  'nudged-25',
  'nudged-10',
  'nudged-5',
  'sparse',
  'sparse-nudged',
  'noise-1',
  'noise-5',
  'prompt-hidden',
  'prompt-cut',
  'kv',
] as const;

/** What is computed together: answers with the same tokens share one task. */
export type TaskName = Exclude<CaseName, 'prefilled' | 'nudged'>;

export const taskNames: readonly TaskName[] = caseNames.filter(
  (name): name is TaskName => name !== 'prefilled' && name !== 'nudged',
);

/** Hundredths of total variation that a nudge may take, by task. */
const budgets: Readonly<Partial<Record<TaskName, number>>> = { 'nudged-25': 25, 'nudged-10': 10, 'nudged-5': 5 };

/** The engines that a task needs. */
export const variantsOf: Readonly<Record<TaskName, readonly Variant[]>> = {
  honest: ['dear'],
  cheaper: ['cheap', 'dear'],
  'nudged-25': ['dear', 'cheap'],
  'nudged-10': ['dear', 'cheap'],
  'nudged-5': ['dear', 'cheap'],
  sparse: ['dear', 'cheap'],
  'sparse-nudged': ['dear', 'cheap'],
  'noise-1': ['noise-1'],
  'noise-5': ['noise-5'],
  'prompt-hidden': ['dear'],
  'prompt-cut': ['dear'],
  kv: ['kv'],
};

export interface TaskEngines {
  /** The model that is paid for. */
  readonly dear: Engine;
  open(variant: Variant): Promise<Engine>;
}

/** The answers of one task: which job is asked, who answers, and how. */
export async function runTask(engines: TaskEngines, task: TaskName, job: AuditJob): Promise<readonly CaseAnswer[]> {
  const { dear } = engines;
  const { stops } = dear.facts;
  const prompt = dear.tokenizer.encodePrompt(inputOf(job.question)).tokens;
  if (task === 'cheaper') return cheaperAnswers(engines, job, prompt);
  const budget = budgets[task];
  if (budget !== undefined || task === 'sparse' || task === 'sparse-nudged') {
    const rule = budget === undefined ? sparseRule(job, task === 'sparse-nudged') : nudgingRule(job, budget / 100);
    const cheap = await engines.open('cheap');
    const answer = await withSessions([dear, cheap], ([truth, other]) =>
      makeAnswer(
        job,
        stops,
        sideBySide(sourceOf(truth, prompt, cheatCandidates), sourceOf(other, prompt, cheatCandidates)),
        rule,
      ),
    );
    return [{ name: task, answer }];
  }
  const [variant = 'dear'] = variantsOf[task];
  const answer = await withSessions([await engines.open(variant)], ([session]) =>
    makeAnswer(job, stops, sourceOf(session, promptFor(task, dear, job, prompt), job.topK), honestRule(job)),
  );
  return [{ name: task, answer }];
}

/** The cheaper model's answer as it is, with the true candidates filled in, and with nudged ones. */
async function cheaperAnswers(
  engines: TaskEngines,
  job: AuditJob,
  prompt: readonly number[],
): Promise<readonly CaseAnswer[]> {
  const { dear } = engines;
  const plain = await withSessions([await engines.open('cheap')], ([session]) =>
    makeAnswer(job, dear.facts.stops, sourceOf(session, prompt, job.topK), honestRule(job)),
  );
  const truths = await withSessions([dear], ([session]) => session.replay(prompt, plain.tokens, cheatCandidates));
  return [
    { name: 'cheaper', answer: plain },
    { name: 'prefilled', answer: prefilled(plain, truths, job) },
    { name: 'nudged', answer: nudgedTo(plain, truths, job) },
  ];
}

function promptFor(task: TaskName, { tokenizer }: Engine, { question }: AuditJob, prompt: readonly number[]) {
  if (task === 'prompt-cut') return tokenizer.encodePrompt(inputOf(question.split(' ').slice(0, -2).join(' '))).tokens;
  if (task !== 'prompt-hidden') return prompt;
  return tokenizer.encodePrompt(inputOf(`${hiddenInstruction}\n\n${question}`)).tokens;
}

type SessionsOf<Engines extends readonly Engine[]> = { readonly [Key in keyof Engines]: EngineSession };

/** Runs `work` with a session of each engine, opened in order. */
async function withSessions<const Engines extends readonly Engine[], Value>(
  engines: Engines,
  work: (sessions: SessionsOf<Engines>) => Promise<Value>,
): Promise<Value> {
  const sessions: EngineSession[] = [];
  try {
    for (const engine of engines) sessions.push(await engine.open());
    return await work(sessions as SessionsOf<Engines>);
  } finally {
    for (const session of sessions) await session.release();
  }
}
