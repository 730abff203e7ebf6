// `npm run check`: format, lint, unused code and types of the TypeScript; where cargo is, the same for the program, and
// its host tests. Plain JavaScript that Node 20 can read.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const script = (path, ...args) => [process.execPath, [`${root}node_modules/${path}`, ...args]];
const cargo = (...args) => ['cargo', args];

const typescript = [
  ['format and lint', script('@biomejs/biome/bin/biome', 'check', '.')],
  ['unused code', script('knip/bin/knip.js')],
  ['types', script('typescript/bin/tsc', '--noEmit')],
  ['types of the page', script('typescript/bin/tsc', '--noEmit', '-p', 'src/web/tsconfig.json')],
];
const rust = [
  ['format of the program', cargo('fmt', '--check')],
  ['lint of the program', cargo('clippy', '--locked', '--quiet', '--all-targets', '--', '-D', 'warnings')],
  ['tests of the program', cargo('test', '--locked', '--quiet')],
];

function hasCargo() {
  return spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0;
}

const failed = [];
for (const [name, [command, args]] of hasCargo() ? [...typescript, ...rust] : typescript) {
  process.stderr.write(`check: ${name}\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) process.stderr.write(`check: ${error.message}\n`);
  if (status !== 0) failed.push(name);
}
if (!hasCargo()) process.stderr.write('check: no cargo here, the program was not checked\n');
if (failed.length > 0) {
  process.stderr.write(`check: failed: ${failed.join(', ')}\n`);
  process.exit(1);
}
process.stderr.write('check: ok\n');
