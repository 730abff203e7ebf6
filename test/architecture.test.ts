import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command as serve } from '../src/commands/serve.ts';
import { globalSettings } from '../src/settings.ts';
import { type Import, type SourceFile, sourceFiles } from './support/imports.ts';

const files = sourceFiles('src');
const byPath = new Map(files.map((file) => [file.path, file]));

/** What the chain program's build leaves for its TypeScript side. */
const isArtifact = (target: string): boolean => target.startsWith('programs/escrow/artifacts/');

/** A file imports from its own layer and from lower ones; layers of one height do not know each other. */
const heights: Readonly<Record<string, number>> = {
  lib: 0,
  protocol: 1,
  proofs: 2,
  model: 3,
  escrow: 3,
  node: 4,
  web: 2,
  terminal: 5,
  gateway: 5,
  commands: 6,
};
/** What the roles of `src/node` share, the lowest first: each imports from those before it only. */
const rooms: readonly string[] = [
  'home',
  'streams',
  'peer',
  'cards',
  'discovery',
  'verification',
  'job',
  'payment',
  'selection',
];
/** Importable from everywhere; they import each other only. */
const leaves = new Set(['src/errors.ts', 'src/config.ts', 'src/config-file.ts', 'src/settings.ts']);
/** The process itself: may import everything. */
const tops = new Set(['src/main.ts', 'src/cli.ts']);

function layerOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** Every import of every file for which `allowed` is false, as one readable line. */
function violations(allowed: (file: SourceFile, imported: Import) => boolean): readonly string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((imported) => !allowed(file, imported))
      .map((imported) => `${file.path} imports ${imported.specifier}`),
  );
}

/** A circle of files in which each imports the next, types alone included; null where there is none. */
function findCircle(): readonly string[] | null {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const { file } of byPath.get(path)?.imports ?? []) {
      const circle = file === null ? null : visit(file, [...way, path]);
      if (circle !== null) return circle;
    }
    done.add(path);
    return null;
  };
  for (const { path } of files) {
    const circle = visit(path, []);
    if (circle !== null) return circle;
  }
  return null;
}

/** The lines of code that match, except in the files allowed. */
function uses(pattern: RegExp, allowed: (path: string) => boolean): readonly string[] {
  return files
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, code }) =>
      code
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
}

describe('architecture', () => {
  it('reads this repository', () => {
    assert.ok(files.length > 50);
    assert.ok(
      byPath.get('src/node/home/receipt-store.ts')?.imports.some(({ file }) => file === 'src/proofs/receipt.ts'),
    );
    assert.ok(
      byPath.get('src/commands/parts/parse.ts')?.imports.some(({ file, lazy }) => file === 'src/config.ts' && lazy),
    );
    assert.ok(
      byPath
        .get('src/commands/parts/definition.ts')
        ?.imports.some(({ file, typeOnly }) => file === 'src/config.ts' && typeOnly),
    );
  });

  it('imports files that exist, downwards only', () => {
    const wrong = violations((file, { file: target }) => {
      if (target === null || target === 'package.json') return true;
      if (isArtifact(target)) return layerOf(file.path) === 'escrow';
      if (!byPath.has(target)) return false;
      if (tops.has(file.path)) return true;
      if (leaves.has(target)) return true;
      if (leaves.has(file.path) || tops.has(target)) return false;
      const [from, to] = [layerOf(file.path), layerOf(target)];
      return from === to || (heights[from] ?? -1) > (heights[to] ?? 99);
    });
    assert.deepEqual(wrong, []);
  });

  it('has no circle of imports', () => {
    assert.deepEqual(findCircle(), null);
  });

  it('keeps every file in a known layer', () => {
    const stray = files
      .map(({ path }) => path)
      .filter(
        (path) =>
          !tops.has(path) && !leaves.has(path) && heights[layerOf(path)] === undefined && layerOf(path) !== 'web',
      );
    assert.deepEqual(stray, []);
  });

  it('builds the roles beside each other, on parts that do not know them', () => {
    const roomOf = (path: string): string | null => /^src\/node\/([a-z]+)\//.exec(path)?.[1] ?? null;
    const roles = new Set(['provider', 'client', 'router']);
    const unknown = files
      .map(({ path }) => roomOf(path))
      .filter((room) => room !== null && !roles.has(room) && !rooms.includes(room));
    assert.deepEqual(unknown, []);
    const wrong = violations((file, { file: target }) => {
      const [from, to] = [roomOf(file.path), target === null ? null : roomOf(target)];
      if (to === null || from === to) return true;
      if (roles.has(to)) return file.path === 'src/node/join.ts' || layerOf(file.path) !== 'node';
      return from === null || roles.has(from) || rooms.indexOf(from) > rooms.indexOf(to);
    });
    assert.deepEqual(wrong, []);
  });

  it('names the network library, the engine and the chain in their own layer only', () => {
    const wrong = violations((file, { specifier }) => {
      if (/^(libp2p|@libp2p|@chainsafe\/libp2p|@multiformats\/multiaddr|@multiformats\/mafmt)/.test(specifier))
        return layerOf(file.path) === 'node';
      if (/^(node-llama-cpp|@node-llama-cpp)/.test(specifier)) return file.path === 'src/model/llama.ts';
      if (/^(@solana|@coral-xyz|@anchor-lang|litesvm)/.test(specifier)) return layerOf(file.path) === 'escrow';
      return true;
    });
    assert.deepEqual(wrong, []);
  });

  it('keeps proofs and protocol pure', () => {
    const pure = (path: string): boolean => ['proofs', 'protocol'].includes(layerOf(path));
    const builtIns = new Set(['node:crypto']);
    const impure = violations(
      (file, { specifier, file: target }) =>
        !pure(file.path) ||
        (target === null
          ? !specifier.startsWith('node:') || builtIns.has(specifier)
          : !/^src\/(config|settings|lib\/(files|lock|lifecycle|log|clock))\.ts$/.test(target)),
    );
    assert.deepEqual(impure, []);
    const words =
      /\b(Date\.now|new Date\(|performance\.|Math\.random|randomBytes|getRandomValues|randomUUID|generateKeyPair|setTimeout|setInterval|setImmediate|fetch\(|process\.|console\.)/;
    assert.deepEqual(
      uses(words, (path) => !pure(path)),
      [],
    );
  });

  it('talks, reads variables and ends the process in few places', () => {
    const allowed = (path: string): boolean =>
      path === 'src/main.ts' || path === 'src/config.ts' || layerOf(path) === 'terminal';
    assert.deepEqual(
      uses(/\bconsole\.|\bprocess\.env\b|\bprocess\.exit\b|\bprocess\.exitCode\b|\bprocess\.abort\b/, allowed),
      [],
    );
    assert.deepEqual(
      uses(/\bprocess\.exit\b/, (path) => path === 'src/main.ts'),
      [],
    );
    assert.deepEqual(uses(/\bprocess\.std(out|err)\b/, allowed), []);
  });

  it('has no any, no silenced checks, no default exports, no enums', () => {
    assert.deepEqual(
      uses(/@ts-(ignore|expect-error|nocheck)/, () => false),
      [],
    );
    assert.deepEqual(
      uses(/:\s*any\s*[,;)=\]|&>{]|\bas any\b|<any\b|\bany\[\]/, () => false),
      [],
    );
    assert.deepEqual(
      uses(/^export default\b|^\s*(export\s+)?(const\s+)?enum\s/, () => false),
      [],
    );
    for (const { path } of files) assert.match(path, /^src(\/[a-z0-9]+(-[a-z0-9]+)*)+\.ts$/);
  });

  it('loads commands lazily, and with a command nothing heavy', () => {
    const reached = new Set<string>();
    const packages = new Set<string>();
    const follow = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { file, specifier, typeOnly, lazy } of byPath.get(path)?.imports ?? []) {
        if (typeOnly || lazy) continue;
        if (file !== null) follow(file);
        else if (!specifier.startsWith('node:')) packages.add(specifier);
      }
    };
    follow('src/main.ts');
    assert.ok(
      ![...reached].some((path) => byPath.get('src/cli.ts')?.imports.some(({ file, lazy }) => lazy && file === path)),
      'a command is loaded with the program',
    );
    for (const { file, lazy } of byPath.get('src/cli.ts')?.imports ?? []) if (lazy && file !== null) follow(file);
    assert.deepEqual([...packages], ['commander']);
    const heavy = [...reached].filter(
      (path) => ['node', 'model', 'escrow', 'gateway'].includes(layerOf(path)) || path === 'src/config.ts',
    );
    assert.deepEqual(heavy, []);
  });

  it('has no way from the product to the cheats of demo and tests', () => {
    const outside = violations(
      (_file, { file: target }) =>
        target === null || target === 'package.json' || target.startsWith('src/') || isArtifact(target),
    );
    assert.deepEqual(outside, []);
    // What is imported is always written out: no setting, variable or peer can choose it. The one exception starts the
    // engine's own helper script.
    assert.deepEqual(
      uses(
        /\bimport\(\s*[^'\s]|\beval\(|new Function\(|node:(vm|module|worker_threads)/,
        (path) => path === 'src/main.ts',
      ),
      [],
    );
    assert.equal(byPath.get('src/main.ts')?.code.match(/\bimport\(/g)?.length, 1);
    // A behaviour that a flag of serve could switch on would have to stand in this list first.
    assert.deepEqual(Object.keys(serve.options ?? {}), ['yes']);
    const flags = [...globalSettings, ...(serve.settings ?? [])].sort();
    assert.deepEqual(flags, [
      'batch',
      'bootstrap',
      'context',
      'escrow',
      'free',
      'gpu',
      'keepAlive',
      'listen',
      'mdns',
      'model',
      'modelsDir',
      'name',
      'network',
      'priceIn',
      'priceOut',
      'priorityFee',
      'private',
      'queue',
      'rpc',
      'slots',
      'threads',
      'wallet',
    ]);
    const variables = files.flatMap(({ code }) =>
      [...code.matchAll(/\benv(?:ironment)?\[?\.?\s*'?([A-Z][A-Z0-9_]{2,})\b/g)].map(([, name]) => name),
    );
    assert.deepEqual([...new Set(variables)].sort(), ['PATH', 'QVAC_CONFIG', 'QVAC_HOME', 'TEST_BINDING_CP']);
  });
});
