import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuMsOf } from './serve.ts';

const startupMs = 30_000;
const pollMs = 100;

export interface LlamaServer {
  /** CPU milliseconds that the process spends on an answer of `tokens` tokens in each slot at once, prompts included. */
  cpuMsFor(prompt: readonly number[], tokens: number): Promise<number>;
  stop(): Promise<void>;
}

/** A `llama-server` of the same llama.cpp on one thread, with a slot of `context` tokens for each job. */
export async function startLlamaServer(
  path: string,
  init: { readonly model: string; readonly slots: number; readonly context: number },
): Promise<LlamaServer> {
  const { model, slots, context } = init;
  const port = await freePort();
  const child = spawn(
    path,
    // biome-ignore format: a flag and its value
    ['-m', model, '-np', String(slots), '-c', String(context * slots), '-t', '1', '-tb', '1', '-fa', 'on',
      '--host', '127.0.0.1', '--port', String(port)],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'close');
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + startupMs;
  while (!(await isHealthy(url))) {
    if (performance.now() > deadline || child.exitCode !== null) throw new Error(`${path} does not start`);
    await pause(pollMs);
  }
  const complete = async (prompt: readonly number[], tokens: number): Promise<void> => {
    const response = await fetch(`${url}/completion`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        prompt,
        n_predict: tokens,
        ignore_eos: true,
        temperature: 0.7,
        top_k: 20,
        cache_prompt: false,
      }),
    });
    const answer = (await response.json()) as { readonly tokens_predicted?: number };
    if (answer.tokens_predicted !== tokens) throw new Error(`llama-server gave ${answer.tokens_predicted} tokens`);
  };
  return {
    async cpuMsFor(prompt, tokens) {
      const before = await cpuMsOf(child.pid ?? 0);
      await Promise.all(Array.from({ length: slots }, () => complete(prompt, tokens)));
      return (await cpuMsOf(child.pid ?? 0)) - before;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health`).catch(() => null);
  return response?.ok === true;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
