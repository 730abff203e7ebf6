/**
 * `npm run bench [-- NAME …]`: runs every scenario of `bench/scenarios/` in a process of its own, one after another,
 * and prints a table (stderr) and one JSON document (stdout).
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Figure, meetsGoal, type Scenario, table } from './report.ts';

const folder = fileURLToPath(new URL('scenarios/', import.meta.url));

async function runScenario(name: string): Promise<readonly Figure[]> {
  const child = spawn(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), '--scenario', name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`scenario ${name} failed with exit code ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '[]') as Figure[];
}

async function main(): Promise<void> {
  const [first, second] = process.argv.slice(2);
  if (first === '--scenario' && second !== undefined) {
    const module = (await import(pathToFileURL(`${folder}${second}.ts`).href)) as { readonly scenario: Scenario };
    process.stdout.write(`${JSON.stringify(await module.scenario())}\n`, () => process.exit(0));
    return;
  }
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .sort();
  const names = process.argv.length > 2 ? process.argv.slice(2) : all;
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`bench: no scenario "${unknown.join('", "')}"; there are: ${all.join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  const figures: Figure[] = [];
  for (const name of names) {
    process.stderr.write(`bench: ${name}\n`);
    figures.push(...(await runScenario(name)));
  }
  const machine = {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
  };
  process.stderr.write(`\n${table(figures)}\n`);
  process.stdout.write(
    `${JSON.stringify({ machine, figures: figures.map((figure) => ({ ...figure, met: meetsGoal(figure) })) }, null, 2)}\n`,
  );
}

await main();
