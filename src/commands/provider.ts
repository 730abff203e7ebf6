import { QvacError } from '../errors.ts';
import type { Escrow, Executed, ProviderAccount } from '../escrow/escrow.ts';
import type { Wallet } from '../escrow/wallet.ts';
import { dateTime, sol } from '../terminal/format.ts';
import { amount, type CommandContext, defineCommand, defineSubcommand, flag, option } from './parts/definition.ts';
import { agreeToMainnet, chainSettings, needWallet, openEscrowOf } from './parts/paying.ts';

type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'>;

interface Opened {
  readonly wallet: Wallet;
  readonly escrow: Escrow;
}

/** To change how this wallet is registered, or, `anew`, to register it. */
async function open({ config, output, signal }: Context, yes: boolean, anew = false): Promise<Opened> {
  const wallet = await needWallet(config);
  const escrow = await openEscrowOf(config, wallet, { signal });
  const account = anew ? await escrow.provider(wallet.publicKey, { signal }) : await registered(escrow, wallet);
  if (anew && account !== null)
    throw new QvacError('E_ESCROW', `${wallet.address} is registered already`, {
      hint: 'qvac provider status; qvac provider stake adds to the stake',
    });
  await agreeToMainnet({ config, output, yes, signal }, escrow);
  return { wallet, escrow };
}

/** The home's node that serves. */
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

/** What was done, and how things stand now. */
async function told(
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
  const {
    authority,
    peer,
    stake,
    lockedStake,
    freeStake,
    active,
    jobsCreated,
    jobsCompleted,
    jobsRefunded,
    jobsRejected,
    jobsSlashed,
    registeredAt,
    unstake,
  } = account;
  return {
    authority: addressText(authority),
    peer: peerIdOf(peer),
    active,
    stake: stake.toString(),
    lockedStake: lockedStake.toString(),
    freeStake: freeStake.toString(),
    jobsCreated: jobsCreated.toString(),
    jobsCompleted: jobsCompleted.toString(),
    jobsRefunded,
    jobsRejected,
    jobsSlashed,
    registeredAt,
    unstake: unstake === null ? null : { amount: unstake.amount.toString(), at: unstake.at },
  };
}

const yes = flag('-y, --yes', 'do not ask before real money is spent');
const actSettings = chainSettings;

const register = defineSubcommand({
  summary: 'register this home’s node to be paid',
  description:
    'Registers the node that qvac serve runs, with the wallet as the one that is paid, and locks a stake. Each job puts ten times its price of the stake at risk: whoever breaks a rule that a program can check loses that. With --json: {signature, fee, provider}, lamports as text.',
  settings: actSettings,
  options: { stake: option('--stake <amount>', 'lamports, or as 0.5sol; otherwise 0.1 SOL, the least', amount), yes },
  examples: [{ line: 'qvac provider register --stake 0.5sol', what: 'register, with half a SOL at stake' }],
  async action(context) {
    const { escrowRules } = await import('../escrow/escrow.ts');
    const stake = context.options.stake ?? escrowRules.minStakeLamports;
    if (stake < escrowRules.minStakeLamports)
      throw new QvacError('E_USAGE', `--stake: the least is ${sol(escrowRules.minStakeLamports)}, got ${sol(stake)}`, {
        hint: 'qvac provider register --stake 0.1sol',
      });
    const { wallet, escrow } = await open(context, context.options.yes, true);
    const { signingKey, peer } = await nodeKey(context);
    const done = await escrow.register({ node: signingKey, stake }, { signal: context.signal });
    await told(
      context,
      escrow,
      wallet,
      done,
      `${peer} is registered: ${wallet.address} is paid, ${sol(stake)} are staked`,
    );
  },
});

const status = defineSubcommand({
  summary: 'stake, what is locked, jobs so far',
  description:
    'Shows how this wallet is registered: its node, its stake, what of it is locked, and how its jobs ended. With --json: {authority, peer, active, stake, lockedStake, freeStake, jobsCreated, jobsCompleted, jobsRefunded, jobsRejected, jobsSlashed, registeredAt, unstake}, lamports as text.',
  settings: actSettings,
  examples: [{ line: 'qvac provider status', what: 'how things stand' }],
  async action(context) {
    const { config, output, signal } = context;
    const wallet = await needWallet(config);
    const account = await registered(await openEscrowOf(config, wallet, { signal }), wallet);
    const value = await providerJson(account);
    const { jobsCompleted, jobsRefunded, jobsRejected, jobsSlashed, unstake } = account;
    output.result(value, [
      `node      ${value.peer}`,
      `paid to   ${value.authority}`,
      `stake     ${sol(account.stake)}, ${sol(account.lockedStake)} of it locked${account.active ? '' : ' · offers no jobs: the stake is below the least'}`,
      ...(unstake === null
        ? []
        : [`leaving   ${sol(unstake.amount)}, from ${dateTime(unstake.at)}: qvac provider withdraw`]),
      `jobs      ${jobsCompleted} paid, ${jobsRefunded} refunded, ${jobsRejected} rejected, ${jobsSlashed} slashed`,
      `since     ${dateTime(account.registeredAt)}`,
    ]);
  },
});

const rotate = defineSubcommand({
  summary: 'name another node, after its key has changed',
  description:
    'Registers the node of this home in the place of the one before, for the same wallet. Jobs that run are not touched. With --json: {signature, fee, provider}.',
  settings: actSettings,
  options: { yes },
  examples: [{ line: 'qvac provider rotate-peer', what: 'after the key in keys/provider.key has changed' }],
  async action(context) {
    const { wallet, escrow } = await open(context, context.options.yes);
    const { signingKey, peer } = await nodeKey(context);
    const done = await escrow.rotatePeer({ node: signingKey }, { signal: context.signal });
    await told(context, escrow, wallet, done, `${peer} is the registered node now`);
  },
});

const stake = defineSubcommand({
  summary: 'add to the stake',
  description: 'Adds to the stake: more or dearer jobs at the same time. With --json: {signature, fee, provider}.',
  arguments: [{ name: '<amount>', description: 'lamports, or as 0.5sol' }],
  settings: actSettings,
  options: { yes },
  examples: [{ line: 'qvac provider stake 0.5sol', what: 'half a SOL more' }],
  async action(context) {
    const added = amount(context.args[0] ?? '');
    const { wallet, escrow } = await open(context, context.options.yes);
    const done = await escrow.addStake(added, undefined, { signal: context.signal });
    await told(context, escrow, wallet, done, `${sol(added)} were added to the stake`);
  },
});

const unstake = defineSubcommand({
  summary: 'ask stake back; it can be withdrawn an hour later',
  description:
    'Asks stake back. It stays at risk for another hour, then qvac provider withdraw pays it out. With less than 0.1 SOL left the provider is offered no more jobs. With --json: {signature, fee, provider}.',
  arguments: [{ name: '<amount>', description: 'lamports, or as 0.5sol' }],
  settings: actSettings,
  options: { yes },
  examples: [{ line: 'qvac provider unstake 0.5sol', what: 'half a SOL back, in an hour' }],
  async action(context) {
    const asked = amount(context.args[0] ?? '');
    const { wallet, escrow } = await open(context, context.options.yes);
    const done = await escrow.requestUnstake(asked, { signal: context.signal });
    await told(context, escrow, wallet, done, `${sol(asked)} can be withdrawn in an hour: qvac provider withdraw`);
  },
});

const withdraw = defineSubcommand({
  summary: 'take out what was asked back',
  description:
    'Pays out the stake that was asked back, once its hour is over and it is not locked by jobs. With --json: {signature, fee, provider}.',
  settings: actSettings,
  options: { yes },
  examples: [{ line: 'qvac provider withdraw', what: 'take it out' }],
  async action(context) {
    const { wallet, escrow } = await open(context, context.options.yes);
    const done = await escrow.withdraw({ signal: context.signal });
    await told(context, escrow, wallet, done, 'it is in the wallet');
  },
});

export const command = defineCommand({
  description:
    'A provider that wants to be paid is registered on the chain: which node, which wallet, and a stake that it loses where it breaks a rule that a program can check. On network local qvac serve does all of it.',
  examples: [
    { line: 'qvac provider status', what: 'how things stand' },
    { line: 'qvac provider register', what: 'register this home’s node' },
  ],
  subcommands: { register, status, 'rotate-peer': rotate, stake, unstake, withdraw },
});
