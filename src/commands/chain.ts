import { QvacError } from '../errors.ts';
import { aborted } from '../lib/abort.ts';
import { defineCommand, defineSubcommand, option, wholeNumber } from './parts/definition.ts';

const stop = defineSubcommand({
  summary: 'end the chain of this home',
  description:
    'Ends the embedded chain of this home, wherever it runs. Nothing is lost: it goes on where it stopped when it is next needed. With --json: {stopped}.',
  examples: [{ line: 'qvac chain stop', what: 'end it' }],
  async action({ config: { home }, output, signal }) {
    const { stopHomeChain } = await import('../escrow/home-chain.ts');
    const stopped = await stopHomeChain(home, { signal });
    output.result({ stopped }, []);
    output.say(stopped ? 'the chain of this home has ended' : 'the chain of this home does not run');
  },
});

const status = defineSubcommand({
  summary: 'whether the chain of this home runs, and where',
  description:
    'Says whether the embedded chain of this home runs, and under which address others of this machine reach it with --rpc. With --json: {rpcUrl, chain, pid}, or null.',
  examples: [{ line: 'qvac chain status', what: 'where it is' }],
  async action({ config: { home }, output }) {
    const { findHomeChain } = await import('../escrow/home-chain.ts');
    const chain = await findHomeChain(home);
    output.result(chain, chain === null ? [] : [chain.rpcUrl]);
    output.say(
      chain === null
        ? 'the chain of this home does not run; it starts when it is needed'
        : `${chain.chain}, process ${chain.pid}`,
    );
  },
});

export const command = defineCommand({
  description:
    'Runs the chain of network local in the foreground: a Solana chain inside the program, with the escrow program on it, for the processes of this machine alone. Without this command it runs in the background from when it is first needed until nobody has used it for ten minutes. Others of this machine use it with --rpc. With --json: {event: "ready", rpcUrl, chain}.',
  options: {
    idle: option('--idle <seconds>', 'end after so long without use; otherwise it stays', wholeNumber(1, 31_536_000)),
  },
  keepsLog: true,
  examples: [
    { line: 'qvac chain', what: 'run it here, until Ctrl-C' },
    { line: 'qvac chain stop', what: 'end the one that runs' },
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
      `chain ${chain.chain} · ${chain.rpcUrl} · Ctrl-C ends it, nothing is lost`,
    );
    await Promise.race([aborted(signal), chain.ended]);
    await chain.stop();
  },
});
