import { type AuditJob, jobOf } from './answers/job.ts';
import { type TaskName, taskNames } from './answers/tasks.ts';

/** How many answers each kind of provider gives, and how long they are. */
export interface AuditSize {
  readonly honest: number;
  /** Of each kind of cheat. */
  readonly cheats: number;
  /** Every job has one of these lengths, in turn. */
  readonly lengths: readonly number[];
}

/** One piece of work: the answers of one task. */
export interface PlannedTask {
  readonly task: TaskName;
  readonly job: AuditJob;
}

/** Jobs in a row that see every length and temperature, and are all in one half. */
const jobsPerBlock = 8;

/**
 * The work in an order in which every beginning has the tasks in their proportions, so that a run can be stopped at any
 * time.
 */
export function planAudit(size: AuditSize, tasks: readonly TaskName[] = taskNames): readonly PlannedTask[] {
  const planned = tasks.flatMap((task) => {
    const count = task === 'honest' ? size.honest : size.cheats;
    return Array.from({ length: count }, (_, number) => ({ task, number, at: (number + 0.5) / count }));
  });
  return planned
    .sort((a, b) => a.at - b.at)
    .map(({ task, number }) => ({ task, job: jobOf(number, lengthOf(number, size.lengths)) }));
}

/** Pairs of jobs have one length, so that each length has every temperature. */
function lengthOf(number: number, lengths: readonly number[]): number {
  return lengths[Math.floor(number / 2) % lengths.length] ?? 1;
}

/** Limits are fitted to the answers of one half; the figures are of the other one. */
export function isFitted(number: number): boolean {
  return Math.floor(number / jobsPerBlock) % 2 === 0;
}
