import { randomBytes } from 'node:crypto';
import { access, constants, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../../config.ts';
import { fileError } from '../../lib/files.ts';
import { byteSize } from '../../terminal/format.ts';
import { type Finding, fail, failure, ok, warn } from './finding.ts';

/** With less free space nothing works. */
const minBytes = 100e6;
/** With less free space many models do not fit. */
const goodBytes = 5e9;

/** Checks that this user, and only this user, can write to the home. */
export async function checkHome({ home }: Config): Promise<Finding> {
  const probe = join(home.root, `.doctor-${randomBytes(4).toString('hex')}`);
  try {
    if ((await stat(home.root).catch(() => null)) === null) return await checkNoHome(home.root);
    await writeFile(probe, 'x', { mode: 0o600 });
    const { mode } = await stat(home.root);
    if ((mode & 0o022) !== 0) return warn('home', `${home.root} is writable by other users`, `chmod 700 ${home.root}`);
    return ok('home', home.root);
  } catch (error) {
    return failure('home', fileError(error, `write to ${home.root}`));
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
  }
}

/** Checks that a home could be created there. Creates none. */
async function checkNoHome(root: string): Promise<Finding> {
  let folder = root;
  while ((await stat(folder).catch(() => null)) === null && folder !== dirname(folder)) folder = dirname(folder);
  // The dot fails for a file, whatever its mode is.
  await access(`${folder}/.`, constants.W_OK);
  return ok('home', `${root}, not created yet`);
}

export async function checkDisk({ home }: Config): Promise<Finding> {
  let folder = home.models;
  for (;;) {
    try {
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      if (free < minBytes)
        return fail(
          'disk',
          'E_HOME',
          `${byteSize(free)} free in ${folder}`,
          'free some space, or set QVAC_HOME to a folder on another disk',
        );
      return free < goodBytes
        ? warn(
            'disk',
            `${byteSize(free)} free in ${folder}`,
            'free some space, or set --models-dir to another disk: a model takes 0.1 to 5 GB',
          )
        : ok('disk', `${byteSize(free)} free in ${folder}`);
    } catch (error) {
      // The folder does not exist yet: check the disk of its parent.
      if (folder === dirname(folder)) return failure('disk', fileError(error, `look at ${folder}`));
      folder = dirname(folder);
    }
  }
}

/** Checks that each key file is valid and readable by its owner only. Creates none. */
export async function checkKeys({ home }: Config): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const role of ['client', 'provider', 'router', 'relay'] as const) {
    const path = home.keys[role];
    const facts = await stat(path).catch(() => null);
    if (facts !== null) findings.push(await checkKey(`${role} key`, path, facts.mode));
  }
  return findings.length > 0 ? findings : [ok('keys', 'none yet; created when a command needs them')];
}

async function checkKey(name: string, path: string, mode: number): Promise<Finding> {
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    return warn(name, `${path} is readable by other users (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`);
  try {
    const { loadIdentity } = await import('../../node/home/identity.ts');
    return ok(name, (await loadIdentity(path)).peer);
  } catch (error) {
    return failure(name, error);
  }
}
