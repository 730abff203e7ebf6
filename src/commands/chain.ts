import { QvacError } from '../errors.ts';
import { aborted } from '../lib/abort.ts';
import { defineCommand, defineSubcommand, option, wholeNumber } from './parts/definition.ts';

const stop = defineSubcommand({
  summary: 'stop the chain of this home',
  description:
    'Stop the embedded chain of this home. Its state is kept: the chain continues when a command next needs it.',
  examples: [{ line: 'qvac chain stop', what: 'stop it' }],
  async action({ config: { home }, output, signal }) {
    const { stopHomeChain } = await import('../escrow/home-chain.ts');
    const stopped = await stopHomeChain(home, { signal });
    output.result({ stopped }, []);
    output.say(stopped ? 'the chain of this home has stopped' : 'the chain of this home is not running');
  },
});

const status = defineSubcommand({
  summary: 'show whether the chain of this home runs, and its URL',
  description:
    'Show whether the embedded chain of this home runs, and its URL, which other homes on this machine pass to --rpc.',
  examples: [{ line: 'qvac chain status', what: 'print the URL' }],
  async action({ config: { home }, output }) {
    const { findHomeChain } = await import('../escrow/home-chain.ts');
    const chain = await findHomeChain(home);
    output.result(chain, chain === null ? [] : [chain.rpcUrl]);
    output.say(
      chain === null
        ? 'the chain of this home is not running; it starts when a command needs it'
        : `${chain.chain}, process ${chain.pid}`,
    );
  },
});

export const command = defineCommand({
  description: [
    'Run the chain of network local in the foreground: a Solana chain inside the program, with the escrow program',
    'on it, for processes on this machine only.',
    'Other commands start it in the background when they need it; it stops after ten minutes without use.',
    'Other homes on this machine use it with --rpc.',
  ].join(' '),
  options: {
    idle: option('--idle <seconds>', 'stop after this time without use (default: never)', wholeNumber(1, 31_536_000)),
  },
  keepsLog: true,
  examples: [
    { line: 'qvac chain', what: 'run the chain until Ctrl-C' },
    { line: 'qvac chain stop', what: 'stop the chain that runs' },
  ],
  subcommands: { status, stop },
  async action({ args, options, config: { home }, output, logger, signal }) {
    if (args.length > 0)
      throw new QvacError('E_USAGE', `unknown command 'chain ${args[0]}', expected status, stop`, {
        hint: 'qvac chain --help',
      });
    const { runHomeChain } = await import('../escrow/home-chain.ts');
    const chain = await runHomeChain(
      home,
      { idleMs: options.idle === undefined ? null : options.idle * 1_000 },
      logger,
    );
    output.event(
      { event: 'ready', rpcUrl: chain.rpcUrl, chain: chain.chain },
      `chain ${chain.chain} · ${chain.rpcUrl} · Ctrl-C stops it and keeps its state`,
    );
    await Promise.race([aborted(signal), chain.ended]);
    await chain.stop();
  },
});
