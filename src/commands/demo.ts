import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { defineCommand } from './parts/definition.ts';

export const command = defineCommand({
  description:
    'Starts a provider, a router and a client on 127.0.0.1, asks a question, and asks again where the provider secretly runs a worse model. Fetches a small model the first time; nothing else of it reaches the network. Its receipts are kept with yours.',
  arguments: [{ name: '[question...]', description: 'what to ask' }],
  examples: [
    { line: 'qvac demo', what: 'watch one answer verified and one cheat caught' },
    { line: 'qvac demo "What is a prime number?"', what: 'ask something else' },
  ],
  async action({ args, config, signal }) {
    // Bundled, this file is a chunk in dist/chunks/; the demo is a program of its own beside it.
    const script = fileURLToPath(new URL('../demo/main.js', import.meta.url));
    const child = spawn(process.execPath, [script, '--home', config.home.root, '--', ...args], {
      stdio: 'inherit',
      signal,
      killSignal: 'SIGTERM',
    });
    return new Promise<number>((resolve, reject) => {
      child.on('error', (error) => {
        if (error.name !== 'AbortError') reject(error);
      });
      child.on('exit', (code) => resolve(code ?? 1));
    });
  },
});
