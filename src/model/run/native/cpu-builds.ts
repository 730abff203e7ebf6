import { copyFile, link, mkdir, readdir } from 'node:fs/promises';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QvacError } from '../../../errors.ts';

/**
 * The engine package holds one library for each kind of CPU and loads the best that this machine can run; which one it
 * is changes the bits (protocol section 2). To compute with another one, all but that one are hidden.
 */

const enginePackage = '@node-llama-cpp/linux-x64';
const platformFolder = 'linux-x64';
const buildFile = /^libggml-cpu-(\w+)\.so$/;

/** Names of the CPU builds in the installed engine package, `haswell`; none where the package is another one. */
export async function listCpuBuilds(): Promise<readonly string[]> {
  const folder = binariesFolder();
  if (folder === null) return [];
  const files = await readdir(folder).catch(() => []);
  return files.flatMap((file) => buildFile.exec(file)?.[1] ?? []).sort();
}

/**
 * Lets this process load no other CPU build than `build`. To be called before the engine is loaded.
 * @param dir where a copy of the package's binaries without the other builds is kept
 * @throws QvacError E_ENGINE if the package does not have it
 */
export async function useCpuBuild(build: string, dir: string): Promise<void> {
  const folder = binariesFolder();
  const files = folder === null ? [] : await readdir(folder).catch(() => []);
  if (folder === null || !files.includes(`libggml-cpu-${build}.so`))
    throw new QvacError('E_ENGINE', `the engine package has no CPU build ${build}`, {
      hint: `it has: ${(await listCpuBuilds()).join(', ')}`,
    });
  const version = await versionOf(folder);
  const binaries = join(dir, `${version}-${build}`);
  const target = join(binaries, platformFolder);
  await mkdir(target, { recursive: true });
  for (const file of files) {
    const name = buildFile.exec(file)?.[1];
    if (name === undefined || name === build) await copyOf(join(folder, file), join(target, file));
  }
  redirectPackage(binaries, version);
}

/** Null where another package than the usual one is installed. */
function binariesFolder(): string | null {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(enginePackage))), '..', 'bins', platformFolder);
  } catch {
    return null;
  }
}

async function versionOf(folder: string): Promise<string> {
  const { default: manifest } = (await import(join(folder, '..', '..', 'package.json'), {
    with: { type: 'json' },
  })) as { readonly default: { readonly version: string } };
  return manifest.version;
}

/** A hard link where the file system allows one: a symbolic one would be followed back to all builds. */
async function copyOf(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') await copyFile(from, to);
  });
}

/** The engine asks its package for the folder of its binaries: from now on the answer is `binsDir`. */
function redirectPackage(binsDir: string, packageVersion: string): void {
  const source = `export function getBinsDir() { return ${JSON.stringify({ binsDir, packageVersion })}; }`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      specifier === enginePackage ? { url, shortCircuit: true } : next(specifier, context),
  });
}
