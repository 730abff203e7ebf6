import { readdir, readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemCode } from '../../lib/files.ts';
import type { Asset, GatewayComponents } from '../components.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Loads the page's files from `dist/web` into memory, so that no request reaches the file system. Empty if the page was
 * not built.
 */
export async function loadAssets(
  from: string = dirname(fileURLToPath(import.meta.url)),
): Promise<GatewayComponents['assets']> {
  const files = new Map<string, Asset>();
  // Run from source, from a chunk, or from the single bundle.
  for (const folder of [join(from, '..', '..', '..', 'dist', 'web'), join(from, '..', 'web'), join(from, 'web')]) {
    for (const name of await namesIn(folder)) {
      const type = types[extname(name)];
      if (type !== undefined)
        files.set(name === 'index.html' ? '/' : `/assets/${name}`, { body: await readFile(join(folder, name)), type });
    }
    if (files.size > 0) break;
  }
  return { get: (path) => files.get(path) ?? null };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
