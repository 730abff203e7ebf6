// Bundles to dist/: main.js with one chunk per lazily imported part, so that a command loads only what it needs, the
// gateway's page, and, apart from them, the demo. The demo's cheating provider is in no file that main.js can load.
import { copyFile, rename, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
// Built aside and moved into place whole, so that whoever starts the program meanwhile finds the old or the new one.
const aside = `dist-${process.pid}`;

/** @param {Record<string, string>} entryPoints @param {string} chunks */
function bundle(entryPoints, chunks) {
  return build({
    absWorkingDir: root,
    entryPoints,
    outdir: aside,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: ['node-llama-cpp', 'litesvm'],
    alias: { 'node-fetch': `${root}scripts/global-fetch.mjs` },
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    chunkNames: `${chunks}/[name]-[hash]`,
    legalComments: 'none',
    logLevel: 'warning',
  });
}

await bundle({ main: 'src/main.ts' }, 'chunks');
await bundle({ 'demo/main': 'demo/main.ts', 'demo/cheat': 'demo/cheat.ts' }, 'demo/chunks');
await build({
  absWorkingDir: root,
  entryPoints: { page: 'src/web/main.ts', style: 'src/web/page.css' },
  outdir: `${aside}/web`,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  logLevel: 'warning',
});
for (const name of ['index.html', 'icon.svg']) await copyFile(`${root}src/web/${name}`, `${root}${aside}/web/${name}`);
await rm(`${root}dist`, { recursive: true, force: true });
await rename(`${root}${aside}`, `${root}dist`);
