import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkPath } from '../../../src/commands/doctor/program.ts';
import { temporaryHome } from '../../support/home.ts';

/** A package with the program, as npm installs it, or a clone of the repository. */
async function packageIn(root: string, { clone }: { readonly clone: boolean }): Promise<string> {
  for (const folder of ['bin', 'dist', ...(clone ? ['scripts'] : [])])
    await mkdir(join(root, folder), { recursive: true });
  if (clone) await writeFile(join(root, 'scripts/setup.mjs'), '');
  await writeFile(join(root, 'bin/qvac.mjs'), '', { mode: 0o755 });
  await writeFile(join(root, 'dist/main.js'), '');
  return join(root, 'dist/main.js');
}

async function pathWith(context: TestContext, program: string): Promise<string> {
  const folder = await temporaryHome(context);
  await symlink(program, join(folder, 'qvac'));
  return folder;
}

test('says how to put qvac on the PATH, in a clone and in an installed package', async (context) => {
  const root = await temporaryHome(context);
  const clone = await packageIn(join(root, 'clone'), { clone: true });
  const installed = await packageIn(join(root, 'installed'), { clone: false });
  const empty = [await temporaryHome(context)];
  assert.equal((await checkPath(clone, empty)).detail, 'qvac is not on the PATH; npm link adds it');
  assert.equal((await checkPath(installed, empty)).detail, 'qvac is not on the PATH; npm install -g qvac adds it');

  const other = [await pathWith(context, join(root, 'clone/bin/qvac.mjs'))];
  assert.match((await checkPath(clone, other)).detail, /^qvac is /);
  const shadowed = await checkPath(installed, other);
  assert.match(shadowed.detail, /^another qvac is first on the PATH: /);
  assert.match(shadowed.fix ?? '', /put this one first with npm install -g qvac/);
});
