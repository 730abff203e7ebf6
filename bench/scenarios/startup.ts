import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { program } from '../../test/support/binary.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';

const rounds = 25;
const cpuProbe = fileURLToPath(new URL('../support/cpu-probe.cjs', import.meta.url));
const moduleProbe = fileURLToPath(new URL('../support/module-probe.cjs', import.meta.url));
const heavy = /libp2p|solana|anchor|llama/i;

/** Runs this Node with a probe loaded first. @returns what the probe wrote */
async function run(probe: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--require', probe, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  let told = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with exit code ${code}`);
  return told;
}

/** Everything that is loaded: files outside of the program, and the packages that were bundled into its own files. */
async function loadedBy(args: readonly string[]): Promise<readonly string[]> {
  const urls = JSON.parse(await run(moduleProbe, args)) as readonly string[];
  const files = urls.filter((url) => url.startsWith('file:'));
  const bundled = await Promise.all(
    files.map(async (url) =>
      [...(await readFile(fileURLToPath(url), 'utf8')).matchAll(/^\/\/ (node_modules\/\S+)$/gm)].map(
        ([, path]) => path ?? '',
      ),
    ),
  );
  return [...urls, ...bundled.flat()];
}

export const scenario: Scenario = async () => {
  const bare = ['-e', '0'];
  const help = [program, '--help'];
  const milliseconds: { readonly bare: number[]; readonly help: number[] } = { bare: [], help: [] };
  for (let round = -2; round < rounds; round++) {
    const [bareMs, helpMs] = [Number(await run(cpuProbe, bare)) / 1000, Number(await run(cpuProbe, help)) / 1000];
    // The first ones warm the file cache.
    if (round < 0) continue;
    milliseconds.bare.push(bareMs);
    milliseconds.help.push(helpMs);
  }
  const loaded = await loadedBy(help);
  const found = loaded.filter((module) => heavy.test(module));
  const ratios = milliseconds.help.map((help, round) => help / (milliseconds.bare[round] ?? Number.NaN));
  const time: Figure = {
    name: 'CPU of qvac --help ÷ bare Node',
    value: median(ratios),
    unit: '×',
    goal: { atMost: 2 },
    details: {
      rounds,
      ...spread('ratio', ratios),
      ...spread('bareMs', milliseconds.bare),
      ...spread('helpMs', milliseconds.help),
    },
  };
  const modules: Figure = {
    name: 'modules of libp2p, Solana or llama loaded by --help',
    value: found.length,
    unit: '',
    goal: { atMost: 0 },
    details: { loaded: loaded.length, found: found.slice(0, 5).join(' ') },
  };
  return [time, modules];
};
