import { runCli } from './cli.ts';
import { asQvacError } from './errors.ts';

const socketErrors = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTCONN',
  'EADDRNOTAVAIL',
]);

/** Says what went wrong outside of any command's hands. */
let complain = (kind: string, error: unknown): void => {
  process.stderr.write(`qvac: ${kind}: ${asQvacError(error).message.split('\n')[0]}\n`);
};

// What a peer does to a socket, or to a promise that a library forgot, must not end a node that serves others.
process.on('unhandledRejection', (error) => complain('unexpected, going on', error));
// Node's own way to tell would break the lines of a log.
process.removeAllListeners('warning').on('warning', (warning) => complain('warning', warning));
process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  if (error.code !== undefined && socketErrors.has(error.code)) return;
  complain('unexpected', error);
  process.exit(asQvacError(error).exitCode);
});

const helper = process.argv.at(-1) ?? '';
if (
  process.env.TEST_BINDING_CP === 'true' &&
  /[\\/]node-llama-cpp[\\/]dist[\\/]bindings[\\/]utils[\\/]testBindingBinary\.js$/.test(helper)
) {
  // The engine forks this process's executable with that script to try its binary out; in a single-file build that is
  // us.
  await import(helper);
} else {
  const code = await runCli(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal(listener) {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => listener(signal));
    },
    onStray: (listener) => (complain = listener),
    exitNow: (exitCode) => process.exit(exitCode),
  });
  // The network library's timers would hold the process for another second.
  process.exit(code);
}
