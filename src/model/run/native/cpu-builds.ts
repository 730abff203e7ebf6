import { access, copyFile, link, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QvacError } from '../../../errors.ts';
import { systemCode } from '../../../lib/files.ts';

/**
 * The engine package holds one library for each kind of CPU and loads the best that this machine can run; which one it
 * is changes the bits (protocol section 2). To compute with another one, the program is started from a copy of its
 * folder in which all but that one are missing.
 */

const [scope, engine, platform] = ['@node-llama-cpp', 'node-llama-cpp', 'linux-x64'];
const buildFile = /^libggml-cpu-(\w+)\.so$/;

/** Names of the CPU builds in the installed engine package, `haswell`; none where the package is another one. */
export async function listCpuBuilds(programRoot: string): Promise<readonly string[]> {
  const files = await readdir(binariesOf(await modulesOf(programRoot))).catch(() => []);
  return files.flatMap((file) => buildFile.exec(file)?.[1] ?? []).sort();
}

/**
 * A copy of the program, made of links, whose engine has one CPU build. Node has to start it with
 * `--preserve-symlinks` and `--preserve-symlinks-main`.
 * @param programRoot folder of the program's package.json
 * @param dir where such copies are kept
 * @returns the copy's root
 * @throws QvacError E_ENGINE if the engine package does not have this build
 */
export async function programWithBuild(programRoot: string, build: string, dir: string): Promise<string> {
  const modules = await modulesOf(programRoot);
  const builds = await listCpuBuilds(programRoot);
  if (!builds.includes(build))
    throw new QvacError('E_ENGINE', `the engine package has no CPU build ${build}`, {
      hint: builds.length === 0 ? 'qvac doctor' : `it has: ${builds.join(', ')}`,
    });
  const copy = join(dir, `${await versionOf(modules)}-${build}`);
  const copiedModules = join(copy, 'node_modules');
  await linkAll(programRoot, copy, 'node_modules');
  await linkAll(modules, copiedModules, scope);
  await linkAll(join(modules, scope), join(copiedModules, scope), platform);
  const [from, to] = [join(modules, scope, platform), join(copiedModules, scope, platform)];
  await linkAll(from, to, 'bins');
  await mkdir(binariesOf(copiedModules), { recursive: true });
  for (const file of await readdir(binariesOf(modules))) {
    const name = buildFile.exec(file)?.[1];
    if (name === undefined || name === build)
      await copyOf(join(binariesOf(modules), file), join(binariesOf(copiedModules), file));
  }
  return copy;
}

function binariesOf(modules: string): string {
  return join(modules, scope, platform, 'bins', platform);
}

/** The folder that holds the engine: the program's own, or one above if the program is itself an installed package. */
async function modulesOf(programRoot: string): Promise<string> {
  for (let folder = programRoot; ; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    const isThere = await access(join(modules, engine)).then(
      () => true,
      () => false,
    );
    if (isThere) return modules;
    if (folder === dirname(folder)) throw new QvacError('E_ENGINE', 'the inference engine is not installed');
  }
}

async function versionOf(modules: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(modules, scope, platform, 'package.json'), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
}

/** Links everything in `from` but `except`; a link of an earlier version of the program is left alone. */
async function linkAll(from: string, to: string, except: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    if (name !== except) await symlink(join(from, name), join(to, name)).catch(unlessThere);
}

/** A hard link where the file system allows one; a symbolic one would lead the loader back to all builds. */
async function copyOf(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    if (systemCode(error) !== 'EEXIST') await copyFile(from, to);
  });
}

function unlessThere(error: unknown): void {
  if (systemCode(error) !== 'EEXIST') throw error;
}
