import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The `ready` event of `serve --json`, `route --json` and the cheating provider. */
export interface NodeReady {
  readonly peer: string;
  readonly addrs: readonly string[];
}

/** The `ready` event of `chain --json`. */
export interface ChainReady {
  readonly rpcUrl: string;
}

export type Started<Ready> = Ready & {
  /** Stops the process and waits for its end. Idempotent. */
  stop(): Promise<void>;
};

export interface RunInit {
  /** QVAC_HOME of the process. */
  readonly home: string;
  readonly signal: AbortSignal;
}

/** The processes of the demo, which end with it. */
export function createProcesses() {
  const running = new Set<ChildProcess>();

  function launch(
    script: string,
    args: readonly string[],
    { home, signal }: RunInit,
    stdio: ['ignore' | 'pipe', 'pipe' | 'inherit', 'pipe' | 'inherit'],
  ): ChildProcess {
    const child = spawn(process.execPath, [script, ...args], {
      stdio,
      env: { ...process.env, QVAC_HOME: home },
      signal,
      killSignal: 'SIGTERM',
    });
    running.add(child);
    child.on('error', () => undefined); // an abort; the exit handler does the rest
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
    /** Runs `script` on the person's terminal. @param input its standard input, if any @returns its exit code */
    async show(script: string, args: readonly string[], init: RunInit, input: string | null = null): Promise<number> {
      const child = launch(script, args, init, [input === null ? 'ignore' : 'pipe', 'inherit', 'inherit']);
      child.stdin?.end(input);
      return ended(child);
    },

    /** Runs `script` with stderr on the terminal. @returns exit code and stdout */
    capture: (script: string, args: readonly string[], init: RunInit) =>
      collect(launch(script, args, init, ['ignore', 'pipe', 'inherit'])),

    /** Runs `script` without output on the terminal. @returns exit code and stdout */
    quietly: (script: string, args: readonly string[], init: RunInit) =>
      collect(launch(script, args, init, ['ignore', 'pipe', 'pipe'])),

    /**
     * Starts a long-lived `script` that prints JSON lines, and waits for its `ready` event and then for `until`.
     * @throws Error with the end of its stderr if it exits before
     */
    async start<Ready = NodeReady>(
      script: string,
      args: readonly string[],
      init: RunInit,
      until = 'ready',
    ): Promise<Started<Ready>> {
      const child = launch(script, args, init, ['ignore', 'pipe', 'pipe']);
      let lastErrors = '';
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        lastErrors = (lastErrors + chunk).slice(-2_000);
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
          reject(new Error(`${args[0] ?? script} exited with code ${code}: ${lastErrors.trim()}`)),
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
