import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../src/errors.ts';

/** The newest versions at the time of writing. */
const packages = [
  'openai==3.57.0',
  'anthropic==2.14.0',
  'ollama==0.6.3',
  'litellm==1.110.2',
  'pydantic-ai-slim==2.68.0',
  // What instructor needs: it wants an older jiter than openai does, and works with the newer one.
  'docstring-parser<1',
  'jinja2<4',
  'rich<15',
  'tenacity<10',
  'typer<1',
];
const withoutDependencies = ['instructor==1.17.0'];
const digest = createHash('sha256')
  .update([...packages, ...withoutDependencies].join())
  .digest('hex');
const folder = join(
  process.env.QVAC_TEST_PYTHON ?? join(homedir(), '.cache', 'qvac-test-python'),
  `clients-${digest.slice(0, 12)}`,
);

/**
 * Installs the Python clients once, apart from everything else: about 450 MB. @returns why they are not available, or
 * null. In CI that is a failure.
 */
export async function noPythonClients(): Promise<string | null> {
  try {
    if (!existsSync(folder)) await install();
    return null;
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return `no Python clients: ${messageOf(error)}`;
  }
}

async function install(): Promise<void> {
  const aside = `${folder}.${process.pid}`;
  await mkdir(aside, { recursive: true });
  try {
    pip(aside, packages);
    pip(aside, ['--no-deps', ...withoutDependencies]);
    // Another process may have installed them first.
    if (!existsSync(folder)) await rename(aside, folder);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function pip(target: string, wanted: readonly string[]): void {
  const { status, stderr, error } = spawnSync(
    'python3',
    [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--retries',
      '1',
      '--no-cache-dir',
      '--disable-pip-version-check',
      '--target',
      target,
      ...wanted,
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').at(-1) ?? 'pip failed');
}

/** Runs a script with the clients available. @throws Error with the script's error output */
export async function runPython(script: string): Promise<string> {
  const child = spawn('python3', ['-c', script], {
    env: {
      ...process.env,
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: '1',
      // It would download a list of prices.
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    },
  });
  const [stdout, stderr] = [child.stdout.setEncoding('utf8').toArray(), child.stderr.setEncoding('utf8').toArray()];
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error((await stderr).join(''));
  return (await stdout).join('');
}
