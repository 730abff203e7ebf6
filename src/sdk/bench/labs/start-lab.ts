import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QvacError } from '../../../errors.ts';
import { programWithBuild } from '../../../model/run/native/cpu-builds.ts';
import type { Lab } from './lab.ts';
import { startRemoteLab } from './remote-lab.ts';
import type { LabInit } from './wire.ts';

/**
 * Starts this program again as `qvac bench worker`, with another CPU build of the engine if one is named.
 * @param script what Node runs: the program's entry, somewhere in its folder
 * @param dir where copies of the program are kept
 * @throws QvacError E_ENGINE if there is no such build, or this machine cannot run it
 */
export async function startLab(script: string, build: string | null, dir: string, init: LabInit): Promise<Lab> {
  const behind = ['bench', 'worker', '--quiet'];
  if (build === null) return startRemoteLab([script, ...behind], 'native', init);
  const root = programRoot();
  const copy = await programWithBuild(root, build, dir);
  const copied = join(copy, relative(root, realpathSync(script)));
  const flags = ['--preserve-symlinks', '--preserve-symlinks-main'];
  return startRemoteLab([...flags, copied, ...behind], build, init);
}

/** The folder of the program's package.json. */
export function programRoot(): string {
  const own = realpathSync(fileURLToPath(import.meta.url));
  for (let folder = dirname(own); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, 'package.json'))) return folder;
  throw new QvacError('E_BUG', 'the program has no package.json');
}
