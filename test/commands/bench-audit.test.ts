import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { programWithBuild } from '../../src/model/run/native/cpu-builds.ts';
import { classesOf, tasksOf } from '../../src/sdk/bench/choices.ts';
import type { AuditReport } from '../../src/sdk/bench/figures/report.ts';
import { programRoot } from '../../src/sdk/bench/labs/start-lab.ts';
import { program, runProgram } from '../support/binary.ts';
import { tinyModel } from '../support/models.ts';

async function folder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('qvac bench audit, the program', () => {
  it('computes a real model with two CPU builds, and tells where the report is', async (context) => {
    const home = await folder(context);
    const { path } = await tinyModel({ kind: 'q8_0' });
    const { code, stdout, stderr } = await runProgram(
      [
        ...['bench', 'audit', path, '--json', '--classes', 'native,x64', '--threads', '1'],
        ...['--answers', '2', '--cheats', '1', '--only', 'honest,cheaper,kv,noise-5'],
      ],
      { home },
    );
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as AuditReport & { readonly files: { readonly page: string } };
    const [native, plain] = report.classes;
    // The build for every 64-bit processor uses none of the newer instructions.
    assert.match(plain?.kernels ?? '', /^cpu-x64 \|/);
    assert.doesNotMatch(plain?.kernels ?? '', /AVX/);
    assert.notEqual(native?.kernels, plain?.kernels);
    assert.ok(report.exact.answers > 0);
    assert.equal(report.exact.mismatches, 0);
    const shares = report.cases.map(({ name, exact }) => [name, exact.rate]);
    assert.deepEqual(shares, [
      ['honest', 0],
      ['cheaper', 1],
      ['prefilled', 1],
      ['nudged', 1],
      ['noise-5', 1],
      ['kv', 1],
    ]);
    assert.match(await readFile(report.files.page, 'utf8'), /^<!doctype html>/);
  });

  it('refuses a model and classes that are not there', async (context) => {
    const home = await folder(context);
    const { path } = await tinyModel({ kind: 'q8_0' });
    const run = (...args: string[]) => runProgram(['bench', 'audit', path, ...args], { home });
    const build = await run('--classes', 'vax');
    assert.match(build.stderr, /no CPU build vax/);
    assert.equal((await run('--classes', 'native/0')).code, 2);
    assert.equal((await run('--only', 'honest,liar')).code, 2);
    assert.equal((await runProgram(['bench', 'worker'], { home })).code, 2);
  });
});

describe('classes and kinds of a command line', () => {
  it('are read one by one', async () => {
    assert.deepEqual(await classesOf('native,haswell,native/512'), [
      { build: null, batch: null },
      { build: 'haswell', batch: null },
      { build: null, batch: 512 },
    ]);
    assert.deepEqual(tasksOf('honest,kv'), ['honest', 'kv']);
    assert.equal(tasksOf(undefined), undefined);
    await assert.rejects(classesOf('native,'), { code: 'E_USAGE' });
    assert.ok((await classesOf(undefined)).length >= 2);
  });
});

describe('a copy of the program with one CPU build', () => {
  it('has that one and no other, and is made once', async (context) => {
    const dir = await folder(context);
    const copy = await programWithBuild(programRoot(), 'haswell', dir);
    const binaries = join(copy, 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64');
    const builds = (await readdir(binaries)).filter((file) => file.includes('ggml-cpu'));
    assert.deepEqual(builds, ['libggml-cpu-haswell.so']);
    assert.equal(await programWithBuild(programRoot(), 'haswell', dir), copy);
    assert.ok((await readdir(copy)).includes('dist'), program);
    await assert.rejects(programWithBuild(programRoot(), 'vax', dir), { code: 'E_ENGINE' });
  });
});
