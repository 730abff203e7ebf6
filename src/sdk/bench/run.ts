import type { AbortOptions } from '../../lib/types.ts';
import type { CaseAnswer } from './answers/tasks.ts';
import type { Journal, Record } from './journal.ts';
import type { Lab } from './labs/lab.ts';
import type { PlannedTask } from './plan.ts';

export interface RunComponents {
  /** One for each execution class. */
  readonly labs: readonly Lab[];
  /** Numbers of the classes that cheat, in turns; honest answers come from every class. */
  readonly cheats: readonly number[];
  readonly journal: Journal;
}

export interface RunInit {
  readonly plan: readonly PlannedTask[];
  /** Tasks at the same time. */
  readonly atOnce: number;
  /** Called after each task. */
  readonly onDone?: ((done: number, all: number) => void) | undefined;
  /** True once no further task is to be begun. @default never */
  readonly isOver?: (() => boolean) | undefined;
}

/**
 * Computes what the journal lacks of the plan. The classes take turns as provider, an honest one whether or not its
 * bits can be recomputed; an honest answer is recomputed by every class, a cheat's by its own class and by one other.
 */
export async function runPlan(
  components: RunComponents,
  { plan, atOnce, onDone, isOver }: RunInit,
  { signal }: AbortOptions = {},
): Promise<void> {
  const { journal } = components;
  const left = plan.filter(({ task, job }) => !journal.has(task, job.number));
  let done = plan.length - left.length;
  const queue = left.values();
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (const planned of queue) {
      if (failures.length > 0 || isOver?.() === true) return;
      signal?.throwIfAborted();
      await runTaskOn(components, planned, signal);
      onDone?.(++done, plan.length);
    }
  };
  // What was begun ends before this does: nothing may write to the journal afterwards.
  await Promise.all(Array.from({ length: atOnce }, () => work().catch((error: unknown) => failures.push(error))));
  if (failures.length > 0) throw failures[0];
}

async function runTaskOn(
  { labs, cheats, journal }: RunComponents,
  { task, job }: PlannedTask,
  signal: AbortSignal | undefined,
): Promise<void> {
  const providers = task === 'honest' ? [...labs.keys()] : cheats;
  const provider = providers[job.number % providers.length] ?? 0;
  const { value: cases } = await labAt(labs, provider).answer(task, job, { signal });
  const verifiers = task === 'honest' ? labs.keys() : new Set([provider, otherThan(provider, job.number, labs.length)]);
  const records: Record[] = [];
  for (const verifier of verifiers) records.push(...(await recordsOf(labAt(labs, verifier), verifier)));
  const { temperature } = job.weighing;
  await journal.add({ task, number: job.number, temperature, provider, records });

  async function recordsOf(lab: Lab, verifier: number): Promise<readonly Record[]> {
    const answers = cases.map(({ answer }: CaseAnswer) => answer);
    const { value: measures } = await lab.measure(job, answers, { signal });
    return measures.flatMap((measure, at) => {
      const name = cases[at]?.name;
      return name === undefined ? [] : [{ name, verifier, ...measure }];
    });
  }
}

/** Another class than `provider`, each in turn; the same one where there is no other. */
function otherThan(provider: number, number: number, count: number): number {
  const turn = count < 2 ? 0 : 1 + (Math.floor(number / 2) % (count - 1));
  return (provider + turn) % count;
}

function labAt(labs: readonly Lab[], at: number): Lab {
  const lab = labs[at];
  if (lab === undefined) throw new RangeError(`expected a lab ${at}`);
  return lab;
}
