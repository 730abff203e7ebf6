// `npm test`: type check, then every test file, four at a time, since most of them wait. Arguments name test files to run instead of all.
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
// One folder for all that the tests leave behind, removed at the end.
const temporary = mkdtempSync(join(tmpdir(), 'qvac-test-'));

async function run(command, args) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: 'inherit',
    // Most test files load the same modules, which are compiled once this way.
    env: { ...process.env, TMPDIR: temporary, NODE_COMPILE_CACHE: join(temporary, 'compiled') },
  });
  const forward = (signal) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const code = await new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143))),
  );
  process.off('SIGINT', forward).off('SIGTERM', forward);
  return code;
}

try {
  const named = process.argv.slice(2);
  const files = named.length > 0 ? named : globSync('test/**/*.test.ts', { cwd: root }).sort();
  if (files.length === 0) throw new Error('no test files');
  for (const project of ['tsconfig.json', 'src/web/tsconfig.json']) {
    process.exitCode ||= await run(process.execPath, [
      `${root}node_modules/typescript/bin/tsc`,
      '--noEmit',
      '-p',
      project,
    ]);
  }
  if (process.exitCode === 0) {
    process.exitCode = await run(process.execPath, [
      '--test',
      '--test-concurrency=4',
      '--test-timeout=600000',
      ...files,
    ]);
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
