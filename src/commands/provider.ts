import { QvacError } from '../errors.ts';
import type { ProviderAccount } from '../escrow/accounts.ts';
import type { Escrow, Executed } from '../escrow/escrow.ts';
import type { Wallet } from '../escrow/wallet.ts';
import { dateTime, sol } from '../terminal/format.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { amount, type CommandContext, defineCommand, defineSubcommand, flag, option } from './parts/definition.ts';

type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'>;

interface Opened {
  readonly wallet: Wallet;
  readonly escrow: Escrow;
}

/** Opens the escrow to change the registration of this wallet, or to `create` it. */
async function open({ config, output, signal }: Context, yes: boolean, create = false): Promise<Opened> {
  const [{ agreeToMainnet, needWallet, openFundedEscrow }, { mainnetConsent }] = await Promise.all([
    import('../sdk/payment/escrow.ts'),
    import('./parts/consent.ts'),
  ]);
  const wallet = await needWallet(config);
  const escrow = await openFundedEscrow(config, wallet, { signal });
  const account = create ? await escrow.provider(wallet.publicKey, { signal }) : await registered(escrow, wallet);
  if (create && account !== null)
    throw new QvacError('E_ESCROW', `${wallet.address} is already registered`, {
      hint: 'qvac provider status; to add stake: qvac provider stake',
    });
  await agreeToMainnet(config, escrow, mainnetConsent(output, { yes }), { signal });
  return { wallet, escrow };
}

/** The identity of this home's provider. */
async function nodeKey({ config, logger }: Context) {
  const { loadIdentity } = await import('../node/home/identity.ts');
  return loadIdentity(config.home.keys.provider, logger);
}

async function registered(escrow: Escrow, wallet: Wallet): Promise<ProviderAccount> {
  const account = await escrow.provider(wallet.publicKey);
  if (account === null)
    throw new QvacError('E_NOT_FOUND', `${wallet.address} is not registered`, { hint: 'qvac provider register' });
  return account;
}

/** Prints what was done, and the registration after it. */
async function printDone(
  { output }: Context,
  escrow: Escrow,
  wallet: Wallet,
  { signature, fee }: Executed,
  line: string,
): Promise<void> {
  const account = await escrow.provider(wallet.publicKey);
  output.result(
    { signature, fee: fee.toString(), provider: account === null ? null : await providerJson(account) },
    [],
  );
  output.say(line);
}

async function providerJson(account: ProviderAccount) {
  const [{ addressText }, { peerIdOf }] = await Promise.all([
    import('../escrow/addresses.ts'),
    import('../proofs/signing.ts'),
  ]);
  const { authority, peer, stake, lockedStake, freeStake, jobsCompleted, earned, jobsRejected, rejected } = account;
  const { jobsSlashed, registeredAt, bindings } = account;
  return {
    authority: addressText(authority),
    peer: peerIdOf(peer),
    bindings,
    stake: stake.toString(),
    lockedStake: lockedStake.toString(),
    freeStake: freeStake.toString(),
    jobsCompleted: jobsCompleted.toString(),
    earned: earned.toString(),
    jobsRejected,
    rejected: rejected.toString(),
    jobsSlashed,
    registeredAt,
  };
}

const yes = flag('-y, --yes', 'spend real money without asking');

const register = defineSubcommand({
  summary: 'register this home’s node to be paid',
  description: [
    'Register the node that qvac serve runs, with the wallet as payee, and lock a stake.',
    'Each job puts ten times its price of the stake at risk; a fault that the program can prove costs that.',
  ].join(' '),
  settings: chainSettings,
  options: {
    stake: option('--stake <amount>', 'stake: lamports, or 0.5sol (default: 0.1sol, the minimum)', amount),
    yes,
  },
  examples: [{ line: 'qvac provider register --stake 0.5sol', what: 'register with a stake of 0.5 SOL' }],
  async action(context) {
    const { escrowRules } = await import('../escrow/constants.ts');
    const stake = context.options.stake ?? escrowRules.minStakeLamports;
    if (stake < escrowRules.minStakeLamports)
      throw new QvacError(
        'E_USAGE',
        `--stake: the minimum is ${sol(escrowRules.minStakeLamports)}, got ${sol(stake)}`,
        {
          hint: 'qvac provider register --stake 0.1sol',
        },
      );
    const { wallet, escrow } = await open(context, context.options.yes, true);
    const { signingKey, peer } = await nodeKey(context);
    const done = await escrow.register({ node: signingKey, stake }, { signal: context.signal });
    await printDone(
      context,
      escrow,
      wallet,
      done,
      `${peer} is registered: payee ${wallet.address}, stake ${sol(stake)}`,
    );
  },
});

const status = defineSubcommand({
  summary: 'show the registration: node, stake and jobs',
  description: 'Show the registration of this wallet: its node, its total and locked stake, and how its jobs ended.',
  settings: chainSettings,
  examples: [{ line: 'qvac provider status', what: 'show stake and jobs' }],
  async action(context) {
    const { config, output, signal } = context;
    const { needWallet, openEscrowOf } = await import('../sdk/payment/escrow.ts');
    const wallet = await needWallet(config);
    const account = await registered(await openEscrowOf(config, wallet, { signal }), wallet);
    const value = await providerJson(account);
    const { jobsCompleted, earned, jobsRejected, rejected, jobsSlashed } = account;
    output.result(value, [
      `node      ${value.peer}`,
      `paid to   ${value.authority}`,
      `stake     ${sol(account.stake)}, ${sol(account.lockedStake)} of it locked`,
      `earned    ${sol(earned)}, ${sol(rejected)} rejected`,
      `jobs      ${jobsCompleted} paid, ${jobsRejected} rejected, ${jobsSlashed} slashed`,
      `since     ${dateTime(account.registeredAt)}`,
    ]);
  },
});

const rotate = defineSubcommand({
  summary: 'register this home’s node in place of the former one',
  description: 'Register this home’s node in place of the wallet’s former node. Jobs under way are not affected.',
  settings: chainSettings,
  options: { yes },
  examples: [{ line: 'qvac provider rotate-peer', what: 'register a new key in keys/provider.key' }],
  async action(context) {
    const { wallet, escrow } = await open(context, context.options.yes);
    const { signingKey, peer } = await nodeKey(context);
    const done = await escrow.rotatePeer({ node: signingKey }, { signal: context.signal });
    await printDone(context, escrow, wallet, done, `${peer} is now the registered node`);
  },
});

const stake = defineSubcommand({
  summary: 'add to the stake',
  description: 'Add to the stake, for more or more expensive jobs at the same time.',
  arguments: [{ name: '<amount>', description: 'lamports, or 0.5sol' }],
  settings: chainSettings,
  options: { yes },
  examples: [{ line: 'qvac provider stake 0.5sol', what: 'add 0.5 SOL' }],
  async action(context) {
    const added = amount(context.args[0] ?? '');
    const { wallet, escrow } = await open(context, context.options.yes);
    const done = await escrow.addStake(added, undefined, { signal: context.signal });
    await printDone(context, escrow, wallet, done, `added ${sol(added)} to the stake`);
  },
});

const withdraw = defineSubcommand({
  summary: 'withdraw stake and earnings that no job locks',
  description: [
    'Withdraw from the provider account: earnings are paid into it as stake. What running jobs lock stays until they',
    'end. Without 10 times the price of an answer left, no client can pay for one.',
  ].join(' '),
  arguments: [{ name: '<amount>', description: 'lamports, or 0.5sol; all: everything that is free' }],
  settings: chainSettings,
  options: { yes },
  examples: [
    { line: 'qvac provider withdraw 0.5sol', what: 'withdraw 0.5 SOL' },
    { line: 'qvac provider withdraw all', what: 'withdraw everything that no job locks' },
  ],
  async action(context) {
    const text = context.args[0] ?? '';
    const asked = text === 'all' ? null : amount(text);
    const { wallet, escrow } = await open(context, context.options.yes);
    const wanted = asked ?? (await registered(escrow, wallet)).freeStake;
    const done = await escrow.withdraw(wanted, { signal: context.signal });
    await printDone(context, escrow, wallet, done, `${sol(wanted)} withdrawn to ${wallet.address}`);
  },
});

export const command = defineCommand({
  description: [
    'Manage the registration of a paid provider on the chain: its node, its wallet, and the stake that it loses for a',
    'fault that the program can prove. On network local qvac serve registers automatically.',
  ].join(' '),
  examples: [
    { line: 'qvac provider status', what: 'show stake and jobs' },
    { line: 'qvac provider register', what: 'register this home’s node' },
  ],
  subcommands: { register, status, 'rotate-peer': rotate, stake, withdraw },
});
