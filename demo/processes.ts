import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What `serve --json`, `route --json` and the cheating provider print once others can reach them. */
export interface NodeReady {
  readonly peer: string;
  readonly addrs: readonly string[];
}

/** What `chain --json` prints. */
export interface ChainReady {
  readonly rpcUrl: string;
}

export type Started<Ready> = Ready & {
  /** Ends the process and waits for it. Idempotent. */
  stop(): Promise<void>;
};

export interface RunInit {
  /** Its QVAC_HOME. */
  readonly home: string;
  readonly signal: AbortSignal;
}

/** The demo's processes. None of them outlives it. */
export function createProcesses() {
  const running = new Set<ChildProcess>();

  function launch(
    script: string,
    args: readonly string[],
    { home, signal }: RunInit,
    stdio: ['ignore', 'pipe' | 'inherit', 'pipe' | 'inherit'],
  ): ChildProcess {
    const child = spawn(process.execPath, [script, ...args], {
      stdio,
      env: { ...process.env, QVAC_HOME: home },
      signal,
      killSignal: 'SIGTERM',
    });
    running.add(child);
    child.on('error', () => undefined); // an abort; the exit tells the rest
    child.on('exit', () => running.delete(child));
    return child;
  }

  const ended = (child: ChildProcess) =>
    new Promise<number>((resolve) =>
      child.exitCode === null && child.signalCode === null
        ? child.on('close', (code) => resolve(code ?? 1))
        : resolve(child.exitCode ?? 1),
    );

  async function collect(child: ChildProcess): Promise<{ readonly code: number; readonly stdout: string }> {
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr?.resume();
    return { code: await ended(child), stdout };
  }

  return {
    /** Runs `script` with the person's terminal. @returns its exit code */
    async show(script: string, args: readonly string[], init: RunInit): Promise<number> {
      return ended(launch(script, args, init, ['ignore', 'inherit', 'inherit']));
    },

    /** Runs `script`, progress and errors to the terminal. @returns exit code and standard output */
    capture: (script: string, args: readonly string[], init: RunInit) =>
      collect(launch(script, args, init, ['ignore', 'pipe', 'inherit'])),

    /** Runs `script` without a word to the terminal. @returns exit code and standard output */
    quietly: (script: string, args: readonly string[], init: RunInit) =>
      collect(launch(script, args, init, ['ignore', 'pipe', 'pipe'])),

    /**
     * Starts a long-lived `script` that prints JSON lines, and waits for its `ready` and, where named, for a later
     * event.
     * @throws Error with its last words where it ends before
     */
    async start<Ready = NodeReady>(
      script: string,
      args: readonly string[],
      init: RunInit,
      until = 'ready',
    ): Promise<Started<Ready>> {
      const child = launch(script, args, init, ['ignore', 'pipe', 'pipe']);
      let lastWords = '';
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        lastWords = (lastWords + chunk).slice(-2_000);
      });
      const ready = new Promise<Ready>((resolve, reject) => {
        if (child.stdout === null) return;
        let known: Ready | null = null;
        createInterface({ input: child.stdout }).on('line', (line) => {
          const event = JSON.parse(line) as { readonly event: string };
          if (event.event === 'ready') known = event as unknown as Ready;
          if (event.event === until && known !== null) resolve(known);
        });
        child.on('close', (code) =>
          reject(new Error(`${args[0] ?? script} ended with exit code ${code}: ${lastWords.trim()}`)),
        );
      });
      return {
        ...(await ready),
        async stop() {
          child.kill('SIGTERM');
          await ended(child);
        },
      };
    },

    async stopAll(): Promise<void> {
      await Promise.all(
        [...running].map((child) => {
          child.kill('SIGTERM');
          return ended(child);
        }),
      );
    },
  };
}

export type Processes = ReturnType<typeof createProcesses>;
