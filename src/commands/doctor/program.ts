import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { searchPath } from '../../config.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const minNodeVersion = [22, 13] as const;

export function checkNode(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const enough = major > minNodeVersion[0] || (major === minNodeVersion[0] && minor >= minNodeVersion[1]);
  if (enough) return ok('node', `Node ${version}`);
  return fail(
    'node',
    'E_CONFIG',
    `Node ${version} is too old`,
    `install Node ${minNodeVersion.join('.')} or newer, or start qvac with bin/qvac.mjs`,
  );
}

/**
 * Checks which `qvac` a shell finds first.
 * @param script the running program
 */
export async function checkPath(
  script: string | undefined = process.argv[1],
  folders: readonly string[] = searchPath(),
): Promise<Finding> {
  const own = script === undefined ? null : await realpath(script).catch(() => null);
  const install = own !== null && (await isClone(own)) ? 'npm link' : 'npm install -g qvac';
  for (const folder of folders) {
    const candidate = join(folder, 'qvac');
    const facts = await stat(candidate).catch(() => null);
    if (facts === null || !facts.isFile() || (facts.mode & 0o111) === 0) continue;
    const found = await realpath(candidate);
    // bin/qvac.mjs and dist/main.js are both two levels below the package.
    if (own !== null && dirname(dirname(found)) === dirname(dirname(own))) return ok('path', `qvac is ${candidate}`);
    return warn(
      'path',
      `another qvac is first on the PATH: ${candidate}`,
      `remove it, or put this one first with ${install} (this is ${own ?? 'unknown'})`,
    );
  }
  return ok('path', `qvac is not on the PATH; ${install} adds it`);
}

/** Whether the running script is one of a clone, which has the set-up script, and not of an installed package. */
function isClone(script: string): Promise<boolean> {
  return stat(join(dirname(dirname(script)), 'scripts', 'setup.mjs')).then(
    () => true,
    () => false,
  );
}
