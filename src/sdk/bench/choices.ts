import { QvacError } from '../../errors.ts';
import { listCpuBuilds } from '../../model/run/native/cpu-builds.ts';
import { type TaskName, taskNames } from './answers/tasks.ts';
import type { ClassChoice } from './audit.ts';
import { coarseBatch, otherBuild } from './constants.ts';
import { programRoot } from './labs/start-lab.ts';

/** What a command line says of classes and kinds of providers. */

/**
 * Classes as `native,haswell,native/512`: CPU build of the engine (`native`: the one that it chooses), and tokens per
 * call. Without a text the engine's own build, the same with long calls, and one that most machines can run.
 * @throws QvacError E_USAGE
 */
export async function classesOf(text: string | undefined): Promise<readonly ClassChoice[]> {
  if (text === undefined) {
    const builds = await listCpuBuilds(programRoot());
    const native = { build: null, batch: null };
    const others = builds.includes(otherBuild) ? [{ build: otherBuild, batch: null }] : [];
    return [native, ...others, { build: null, batch: coarseBatch }];
  }
  return text.split(',').map((part) => {
    const [, build, batch] = /^(\w+)(?:\/(\d{1,4}))?$/.exec(part) ?? [];
    if (build === undefined || batch === '0')
      throw new QvacError('E_USAGE', `expected CPU builds such as native,haswell, got "${part}"`);
    return { build: build === 'native' ? null : build, batch: batch === undefined ? null : Number(batch) };
  });
}

/** @throws QvacError E_USAGE */
export function tasksOf(text: string | undefined): readonly TaskName[] | undefined {
  return text?.split(',').map((part) => {
    const task = taskNames.find((name) => name === part);
    if (task === undefined) throw new QvacError('E_USAGE', `expected kinds of ${taskNames.join(', ')}, got "${part}"`);
    return task;
  });
}
