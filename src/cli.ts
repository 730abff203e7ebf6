/**
 * The list of commands, and how one is run. The file `commands/<name>.ts` exports `command`, made by `defineCommand`
 * (commands/parts/definition.ts). From sdk/, node/, model/, escrow/ and gateway/ it imports types only, and takes the
 * rest by `await import(…)` inside `action`, so that `qvac <command> --help` loads no libp2p, no engine and no chain.
 */
import type { CommandEntry } from './commands/parts/definition.ts';
import { parseCommandLine } from './commands/parts/parse.ts';
import { asQvacError } from './errors.ts';
import { createLifecycle, type StopSignal } from './lib/lifecycle.ts';
import { createOutput, type Sink } from './terminal/output.ts';
import { reportError, reportStray } from './terminal/report-error.ts';

export const commands: readonly CommandEntry[] = [
  {
    name: 'ask',
    group: 'Ask',
    summary: 'ask one question and check the answer',
    load: () => import('./commands/ask.ts'),
  },
  {
    name: 'chat',
    group: 'Ask',
    summary: 'chat with a model, with every answer checked',
    load: () => import('./commands/chat.ts'),
  },
  {
    name: 'embed',
    group: 'Ask',
    summary: 'turn texts into vectors, and check them',
    load: () => import('./commands/embed.ts'),
  },
  {
    name: 'gateway',
    group: 'Ask',
    summary: 'serve OpenAI, Anthropic and Ollama clients, and a chat page',
    load: () => import('./commands/gateway.ts'),
  },
  {
    name: 'peers',
    group: 'Ask',
    summary: 'list reachable providers and routers, and what they offer',
    load: () => import('./commands/peers.ts'),
  },
  {
    name: 'serve',
    group: 'Serve',
    summary: 'offer a model to other people',
    load: () => import('./commands/serve.ts'),
  },
  {
    name: 'route',
    group: 'Serve',
    summary: 'choose, verify and remember providers for your questions',
    load: () => import('./commands/route.ts'),
  },
  {
    name: 'relay',
    group: 'Serve',
    summary: 'let nodes behind routers be reached, without reading them',
    load: () => import('./commands/relay.ts'),
  },
  {
    name: 'wallet',
    group: 'Money',
    summary: 'create, show and fund the key that pays and is paid',
    load: () => import('./commands/wallet.ts'),
  },
  {
    name: 'provider',
    group: 'Money',
    summary: 'register to be paid, and manage the stake',
    load: () => import('./commands/provider.ts'),
  },
  {
    name: 'jobs',
    group: 'Money',
    summary: 'show where your money is, and get it back',
    load: () => import('./commands/jobs.ts'),
  },
  {
    name: 'channels',
    group: 'Money',
    summary: 'show, open and close the deposits from which answers are paid',
    load: () => import('./commands/channels.ts'),
  },
  {
    name: 'chain',
    group: 'Money',
    summary: 'run the embedded chain of network local',
    load: () => import('./commands/chain.ts'),
  },
  { name: 'verify', group: 'Verify', summary: 'check a receipt offline', load: () => import('./commands/verify.ts') },
  {
    name: 'why',
    group: 'Verify',
    summary: 'explain why a provider was chosen',
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'receipts',
    group: 'Verify',
    summary: 'list, show and remove the receipts kept here',
    load: () => import('./commands/receipts.ts'),
  },
  {
    name: 'status',
    group: 'This machine',
    summary: 'show what the nodes of this home do, and why one is idle',
    load: () => import('./commands/status.ts'),
  },
  { name: 'ps', group: 'This machine', summary: 'alias of status', load: () => import('./commands/ps.ts') },
  {
    name: 'models',
    group: 'This machine',
    summary: 'download, list and remove model files',
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'config',
    group: 'This machine',
    summary: 'show every setting and its source',
    load: () => import('./commands/config.ts'),
  },
  {
    name: 'doctor',
    group: 'This machine',
    summary: 'diagnose this machine and suggest fixes',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'bench',
    group: 'This machine',
    summary: 'measure which cheats the checks catch, and at what cost',
    load: () => import('./commands/bench.ts'),
  },
  {
    name: 'completion',
    group: 'This machine',
    summary: 'print a shell completion script',
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'service',
    group: 'This machine',
    summary: 'print a systemd unit that runs qvac',
    load: () => import('./commands/service.ts'),
  },
  {
    name: 'demo',
    group: 'This machine',
    summary: 'run an honest and a cheating provider on this machine',
    load: () => import('./commands/demo.ts'),
  },
];

/** The process that runs the command line. */
export interface Host {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Calls `listener` for every SIGINT, SIGTERM and SIGHUP from now on. */
  onSignal(listener: (signal: StopSignal) => void): void;
  /** Calls `listener` for every uncaught error and warning from now on; `kind` says which, and what happens next. */
  onStray(listener: (kind: string, error: unknown) => void): void;
  /** Ends the process at once. */
  exitNow(code: number): void;
}

/** Runs one command line to its exit code. Never throws. */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  const ownArguments = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const has = (...flags: readonly string[]): boolean => flags.some((flag) => ownArguments.includes(flag));
  const output = createOutput({
    stdout: host.stdout,
    stderr: host.stderr,
    json: has('--json'),
    quiet: has('-q', '--quiet'),
    verbose: has('-v', '--verbose'),
  });
  host.onStray((kind, error) => reportStray(output, kind, error));
  const lifecycle = createLifecycle({ say: (line) => output.say(line), exit: (code) => host.exitNow(code) });
  let code: number;
  try {
    const run = await parseCommandLine(argv, commands, output);
    host.onSignal((signal) => lifecycle.receive(signal));
    code = await run(lifecycle.signal);
  } catch (error) {
    reportError(output, error);
    code = asQvacError(error).exitCode;
  }
  lifecycle.done();
  try {
    await output.flush();
  } catch (error) {
    reportError(output, error);
    if (code === 0) code = asQvacError(error).exitCode;
  }
  return lifecycle.exitCode ?? code;
}
