#!/usr/bin/env node
// Plain JavaScript that any Node >= 18 can read: finds a Node new enough for the program and hands over to it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/main.js', import.meta.url);
const isClone = existsSync(new URL('../scripts/setup.mjs', import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);

if (!existsSync(main)) {
  process.stderr.write(`qvac: not built yet\n  type: ${isClone ? 'npm run setup' : 'npm install -g qvac'}\n`);
  process.exitCode = 3;
} else if (major > 22 || (major === 22 && minor >= 13)) {
  await import(main.href);
} else {
  const bundled = ['../node_modules/.bin/node', '../../.bin/node']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (bundled === undefined) {
    const remedy = isClone ? 'type: npm run setup (or install a newer Node)' : 'install a newer Node';
    process.stderr.write(`qvac: needs Node 22.13 or newer, this is ${process.versions.node}\n  ${remedy}\n`);
    process.exitCode = 3;
  } else {
    const child = spawn(bundled, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
    // A terminal sends Ctrl-C to both of us; the program knows one that comes twice at once.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? 128 + constants.signals[signal];
    });
  }
}
