import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Spawned<Value> {
  /** What it said of itself. */
  readonly told: Value;
  stop(): Promise<void>;
}

/** Runs a file of this folder in a process of its own until it is stopped; its first line is JSON. */
export async function spawnPart<Value>(file: string, args: readonly string[] = []): Promise<Spawned<Value>> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const said = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const [line] = await Promise.race([
    said,
    ended.then(([code]) => Promise.reject(new Error(`${file} ended with exit code ${String(code)}`))),
  ]);
  return {
    told: JSON.parse(line) as Value,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
