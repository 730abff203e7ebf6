import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from './imports.ts';

/** The command line of a person, without the search on the PATH. */
export const launcher = join(root, 'bin', 'qvac.mjs');
/** The built program. */
export const program = join(root, 'dist', 'main.js');

export interface ProcessOptions {
  /** QVAC_HOME. */
  readonly home: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed. @default nothing */
  readonly input?: string | undefined;
  /** The program. @default the built one */
  readonly script?: string;
  /** @default this Node */
  readonly node?: string;
  readonly nodeFlags?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface ProcessResult {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** This process's environment, without the variables that change qvac's behaviour. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(QVAC_|NODE_|FORCE_COLOR|NO_COLOR|DEBUG|npm_)/.test(name)),
  );
}

/** Starts the real program. */
export function startProgram(args: readonly string[], options: ProcessOptions): ChildProcessWithoutNullStreams {
  const { home, environment = {}, script = program, node = process.execPath, nodeFlags = [] } = options;
  return spawn(node, [...nodeFlags, script, ...args], {
    env: { ...cleanEnvironment(), QVAC_HOME: home, ...environment },
    signal: options.signal,
  });
}

/** Runs the real program to its end. */
export async function runProgram(args: readonly string[], options: ProcessOptions): Promise<ProcessResult> {
  const child = startProgram(args, options);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, killedBy, ...output };
}
