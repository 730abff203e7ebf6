import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';

const lines = (path: string): readonly string[] =>
  readFileSync(join(root, path), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

describe('the container image', () => {
  it('is built from the named paths only', () => {
    const [first, ...allowed] = lines('.dockerignore');
    assert.equal(first, '*');
    for (const line of allowed) assert.match(line, /^![^*?[]+$/);
    for (const line of allowed) assert.doesNotMatch(line, /^!(\.git|node_modules|dist|test|\.)\/?$/);
  });

  it('contains everything that its build and its program need', async (context) => {
    const folder = await temporaryHome(context);
    // A clone has committed files only, and no empty folders.
    const isCloned = (path: string): boolean =>
      existsSync(join(root, '.git'))
        ? spawnSync('git', ['ls-files', '--error-unmatch', path], { cwd: root }).status === 0
        : existsSync(join(root, path));
    for (const path of lines('.dockerignore')
      .slice(1)
      .map((line) => line.slice(1))) {
      if (isCloned(path)) cpSync(join(root, path), join(folder, path), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const dockerfile = readFileSync(join(root, 'deploy', 'Dockerfile'), 'utf8');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \.\/$/gm)].flatMap(([, paths = '']) =>
      paths.split(' '),
    );
    for (const path of copied) assert.ok(existsSync(join(folder, path)), `COPY ${path}`);
    const built = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: folder, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    for (const removed of /rm -rf (src .+)$/m.exec(dockerfile)?.[1]?.split(' ') ?? [])
      if (!removed.startsWith('node_modules')) assert.ok(existsSync(join(folder, removed)), `rm ${removed}`);
    assert.match(
      spawnSync(process.execPath, ['bin/qvac.mjs', '--version'], { cwd: folder, encoding: 'utf8' }).stdout,
      /^qvac \d/,
    );
    assert.ok((await readdir(join(folder, 'programs', 'escrow', 'artifacts'))).includes('escrow.so'));
    assert.doesNotMatch(dockerfile, /rm -rf [^\n]*programs/);
  });
});
