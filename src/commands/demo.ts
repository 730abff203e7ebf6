import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { defineCommand } from './parts/definition.ts';

export const command = defineCommand({
  description: [
    'Start a chain, a provider, a router and a client on 127.0.0.1 and ask a question.',
    'Then ask it again while the provider secretly runs a worse model, which the router catches.',
    'The first run downloads a small model; nothing else uses the network. The receipts are kept with yours.',
  ].join(' '),
  arguments: [{ name: '[question...]', description: 'the question' }],
  examples: [
    { line: 'qvac demo', what: 'watch one answer verified and one cheat caught' },
    { line: 'qvac demo "What is a prime number?"', what: 'ask your own question' },
  ],
  async action({ args, config, signal }) {
    // Bundled, this file is a chunk in dist/chunks/; the demo is a separate program in dist/demo/.
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
