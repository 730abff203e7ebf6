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

/** Reports an error that no command caught. */
let report = (kind: string, error: unknown): void => {
  process.stderr.write(`qvac: ${kind}: ${asQvacError(error).message.split('\n')[0]}\n`);
};

// A peer's broken socket, or a promise that a library dropped, must not end a node that serves other peers.
process.on('unhandledRejection', (error) => report('unexpected, going on', error));
// Node's own format would break the JSON lines of a log.
process.removeAllListeners('warning').on('warning', (warning) => report('warning', warning));
process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  if (error.code !== undefined && socketErrors.has(error.code)) return;
  report('unexpected', error);
  process.exit(asQvacError(error).exitCode);
});

const helper = process.argv.at(-1) ?? '';
if (
  process.env.TEST_BINDING_CP === 'true' &&
  /[\\/]node-llama-cpp[\\/]dist[\\/]bindings[\\/]utils[\\/]testBindingBinary\.js$/.test(helper)
) {
  // The engine tests its native binary by forking this process's executable with that script. In a single-file build
  // the executable is this program.
  await import(helper);
} else {
  const code = await runCli(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal(listener) {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => listener(signal));
    },
    onStray: (listener) => (report = listener),
    exitNow: (exitCode) => process.exit(exitCode),
  });
  // libp2p's timers would keep the process alive for another second.
  process.exit(code);
}
