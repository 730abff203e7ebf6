// `npm run build:program` builds programs/escrow and its interface into programs/escrow/artifacts, with the
// `cargo build-sbf` and the `idl` (or `anchor`) on the PATH. With --check it builds nothing and says whether the
// committed files are those of the sources. Plain JavaScript that Node 20 can read.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const artifacts = path.join(root, 'programs/escrow/artifacts');
const manifest = path.join(artifacts, 'manifest.json');
const built = ['escrow.so', 'escrow.json', 'escrow.ts'];

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Everything that the program's bytes depend on, besides the tools: paths from the root, sorted. */
function sources() {
  const code = readdirSync(path.join(root, 'programs/escrow/src'), { recursive: true }).filter((name) =>
    name.endsWith('.rs'),
  );
  return [
    'Cargo.toml',
    'Cargo.lock',
    'programs/escrow/Cargo.toml',
    ...code.map((name) => path.posix.join('programs/escrow/src', name)),
  ].sort();
}

function sourcesDigest() {
  return sha256(
    sources()
      .map((name) => `${sha256(readFileSync(path.join(root, name)))}  ${name}\n`)
      .join(''),
  );
}

function digests() {
  return Object.fromEntries(built.map((name) => [name, sha256(readFileSync(path.join(artifacts, name)))]));
}

function check() {
  const committed = JSON.parse(readFileSync(manifest, 'utf8'));
  const changed = Object.entries(digests())
    .filter(([name, digest]) => committed.files[name] !== digest)
    .map(([name]) => name);
  if (committed.sources !== sourcesDigest()) changed.push('the sources');
  if (changed.length === 0) return;
  console.error(`build-program: changed since the program was built: ${changed.join(', ')}. Run npm run build:program`);
  process.exitCode = 1;
}

function onPath(command) {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, command)));
}

function run(command, args, stdout = 'inherit') {
  return execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', stdout, 'inherit'] });
}

function build() {
  if (!onPath('cargo-build-sbf')) throw new Error('cargo-build-sbf is not on the PATH');
  if (!onPath('idl') && !onPath('anchor')) throw new Error('neither idl nor anchor is on the PATH');
  const crate = path.join(root, 'programs/escrow/Cargo.toml');
  const out = mkdtempSync(path.join(tmpdir(), 'qvac-program-'));
  try {
    run('cargo-build-sbf', ['--manifest-path', crate, '--sbf-out-dir', out, '--', '--locked']);
    const [json, types] = [path.join(out, 'escrow.json'), path.join(out, 'escrow.ts')];
    if (onPath('idl')) run('idl', ['--manifest-path', crate, '--out', json, '--out-ts', types, '--', '--locked']);
    else run('anchor', ['idl', 'build', '-p', 'escrow', '-o', json, '-t', types]);
    mkdirSync(artifacts, { recursive: true });
    for (const name of built) cpSync(path.join(out, name), path.join(artifacts, name));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
  const builtWith = run('cargo-build-sbf', ['--version'], 'pipe').trim().split('\n');
  writeFileSync(manifest, `${JSON.stringify({ sources: sourcesDigest(), files: digests(), builtWith }, null, 2)}\n`);
}

if (process.argv.includes('--check')) check();
else build();
