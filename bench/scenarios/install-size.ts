import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../test/support/imports.ts';
import type { Scenario } from '../report.ts';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Bytes on the disk of a file or folder, as `du` counts them: whole blocks, a file with several names once. */
async function diskBytes(path: string, seen: Set<number>, skip: ReadonlySet<string> = new Set()): Promise<number> {
  if (skip.has(path)) return 0;
  const stats = await lstat(path).catch(() => null);
  if (stats === null || seen.has(stats.ino)) return 0;
  if (stats.nlink > 1 && !stats.isDirectory()) seen.add(stats.ino);
  let bytes = stats.blocks * 512;
  if (stats.isDirectory())
    for (const name of await readdir(path)) bytes += await diskBytes(join(path, name), seen, skip);
  return bytes;
}

/** What `npm run setup` leaves on the disk, and which part of it only building and testing needs. */
export const scenario: Scenario = async () => {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock;
  const modules = join(root, 'node_modules');
  const dev = new Set(
    Object.entries(lock.packages)
      .filter(([, { dev: isDev }]) => isDev === true)
      .map(([path]) => join(root, path)),
  );
  const mebibytes = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;
  const dist = await diskBytes(join(root, 'dist'), new Set());
  const whole = (await diskBytes(modules, new Set())) + dist;
  const packages = await Promise.all(
    Object.keys(lock.packages)
      .filter((path) => path !== '' && !path.slice(1).includes('/node_modules/'))
      .map(async (path) => ({ path, bytes: await diskBytes(join(root, path), new Set()) })),
  );
  const largest = packages.sort((a, b) => b.bytes - a.bytes).slice(0, 6);
  return [
    {
      name: 'installed by set-up',
      value: mebibytes(whole),
      unit: 'MiB',
      goal: { atMost: 560 },
      details: {
        dist: mebibytes(dist),
        withoutDevPackages: mebibytes((await diskBytes(modules, new Set(), dev)) + dist),
        ...Object.fromEntries(largest.map(({ path, bytes }) => [path.replace('node_modules/', ''), mebibytes(bytes)])),
      },
    },
  ];
};
