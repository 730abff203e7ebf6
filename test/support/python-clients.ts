import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../src/errors.ts';

/** The newest version at the time of writing. */
const openaiVersion = '3.54.0';
const folder = join(
  process.env.QVAC_TEST_PYTHON ?? join(homedir(), '.cache', 'qvac-test-python'),
  `openai-${openaiVersion}`,
);

/**
 * Installs OpenAI's Python client once, apart from everything else. @returns why it is not available, or null. In CI
 * that is a failure.
 */
export async function noPythonClient(): Promise<string | null> {
  try {
    if (!existsSync(folder)) await install();
    return null;
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return `no Python client: ${messageOf(error)}`;
  }
}

async function install(): Promise<void> {
  const aside = `${folder}.${process.pid}`;
  await mkdir(aside, { recursive: true });
  try {
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
        aside,
        `openai==${openaiVersion}`,
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').at(-1) ?? 'pip failed');
    // Another process may have installed it first.
    if (!existsSync(folder)) await rename(aside, folder);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Runs a script with the client available. @throws Error with the script's error output */
export async function runPython(script: string): Promise<string> {
  const child = spawn('python3', ['-c', script], {
    env: { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const [stdout, stderr] = [child.stdout.setEncoding('utf8').toArray(), child.stderr.setEncoding('utf8').toArray()];
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error((await stderr).join(''));
  return (await stdout).join('');
}
