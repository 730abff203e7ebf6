import { QvacError } from '../errors.ts';
import type { ChannelId } from '../lib/types.ts';
import type { ChannelNews, WalletChannels } from '../node/payment/channel/channels.ts';
import type { Client } from '../sdk/client.ts';
import { shortPeer, sol, table } from '../terminal/format.ts';
import { channelJson, channelLines, findChannel, openChannelLedger } from './channels/ledger.ts';
import { sayChannel } from './parts/answer-report.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { amount, type CommandContext, defineCommand, defineSubcommand } from './parts/definition.ts';

const ls = defineSubcommand({
  summary: 'list the channels that are open',
  description: [
    'List the channels of your wallet: paid from or served, the deposit, what is committed and released,',
    'what happens next and when, and the command that does it. Sends nothing to the chain.',
  ].join(' '),
  settings: chainSettings,
  examples: [{ line: 'qvac channels ls', what: 'show where your deposits are' }],
  async action(context) {
    const { output } = context;
    const ledger = await openChannelLedger(context);
    const values = await Promise.all(ledger.entries.map((entry) => channelJson(entry, ledger.now)));
    const rows = values.map(({ id, side, peer, deposit, committed, released, state, next, command }) => [
      id.slice(0, 8),
      side,
      shortPeer(peer),
      sol(BigInt(deposit)),
      sol(BigInt(committed)),
      sol(BigInt(released)),
      state,
      `${next}${command === null ? '' : `: ${command}`}`,
    ]);
    const headers = ['ID', 'SIDE', 'PEER', 'DEPOSIT', 'COMMITTED', 'RELEASED', 'STATE', 'NEXT'];
    output.result({ chain: ledger.escrow.chain, channels: values }, rows.length === 0 ? [] : table(headers, rows));
    if (rows.length === 0) output.say('no channel is open');
  },
});

const channelArgument = { name: '<channel>', description: 'channel id or its beginning' } as const;

const show = defineSubcommand({
  summary: 'show the money of one channel',
  description: 'Show the deposit of a channel, what is committed and released, and what happens next.',
  arguments: [channelArgument],
  settings: chainSettings,
  examples: [{ line: 'qvac channels show 9f3a', what: 'show the channel whose id begins with 9f3a' }],
  async action(context) {
    const ledger = await openChannelLedger(context);
    const entry = findChannel(ledger, context.args[0] ?? '');
    context.output.result(await channelJson(entry, ledger.now), await channelLines(entry, ledger.now));
  },
});

const open = defineSubcommand({
  summary: 'open a channel with a provider',
  description: [
    'Open a channel with a provider: a deposit from which further answers are paid without a transaction.',
    'It stays open for every qvac of this home until you close it, 24 hours at most. What is not spent comes back.',
  ].join(' '),
  arguments: [{ name: '<provider>', description: 'peer id or address' }],
  settings: ['deposit', ...chainSettings],
  examples: [{ line: 'qvac channels open 12D3KooW… --deposit 0.01sol', what: 'deposit 0.01 SOL' }],
  async action(context) {
    const { args, config, output, signal } = context;
    await withClient(context, async (client, channels) => {
      const { peer, card } = await client.components.discovery.get(args[0] ?? '', { signal });
      const { pay } = card;
      if (pay === null) throw new QvacError('E_ESCROW', `${shortPeer(peer)} takes no payment`, { hint: 'qvac peers' });
      const depositLamports = BigInt(config.settings.deposit);
      const channel = await channels.open(
        {
          provider: peer,
          key: card.peer,
          pay,
          depositLamports,
          windowLamports: windowOf(depositLamports),
          isKept: true,
        },
        { signal },
      );
      output.result({ id: channel.id, peer, deposit: depositLamports.toString() }, []);
      output.say(`channel ${channel.id.slice(0, 8)} is open: qvac ask pays from it`);
    });
  },
});

/** A tenth of the deposit: ten answers fit. */
function windowOf(depositLamports: bigint): bigint {
  const window = depositLamports / 10n;
  return window === 0n ? depositLamports : window;
}

const topup = defineSubcommand({
  summary: 'add to the deposit of a channel',
  description: 'Add to the deposit of a channel of this home. It costs a transaction fee.',
  arguments: [channelArgument, { name: '<amount>', description: 'lamports, or 0.01sol' }],
  settings: chainSettings,
  examples: [{ line: 'qvac channels topup 9f3a 0.01sol', what: 'add 0.01 SOL' }],
  async action(context) {
    const { args, output, signal } = context;
    const lamports = amount(args[1] ?? '');
    const id = await ownChannel(context);
    await withClient(context, async (_client, channels) => {
      const { depositLamports } = await channels.topUp(id, lamports, { signal });
      output.result({ id, deposit: depositLamports.toString() }, []);
    });
  },
});

const close = defineSubcommand({
  summary: 'close a channel and get the rest back',
  description: [
    'Close a channel of this home: at once together with its provider, else by the chain, which gives the provider',
    'five hours. Answers that failed are not paid.',
    'The next qvac of this home goes on with what this one cannot wait for.',
  ].join(' '),
  arguments: [channelArgument],
  settings: chainSettings,
  examples: [{ line: 'qvac channels close 9f3a', what: 'close the channel whose id begins with 9f3a' }],
  async action(context) {
    const { output, signal } = context;
    const id = (await keptChannel(context)) ?? (await ownChannel(context));
    await withClient(context, async (_client, channels) => {
      const news = await channels.close(id, { signal });
      output.result(newsJson(news), []);
    });
  },
});

/** The only channel among this client's notes whose id begins so: perhaps it has ended on the chain. */
async function keptChannel({ args, config, logger }: CommandContext): Promise<ChannelId | null> {
  const { openKeptChannels } = await import('../node/payment/channel/kept-channel.ts');
  const kept = await openKeptChannels(config.home.channels.client, logger).read();
  const prefix = (args[0] ?? '').toLowerCase();
  const [found = null, ...others] = [...kept.keys()].filter((id) => prefix !== '' && id.startsWith(prefix));
  return others.length === 0 ? found : null;
}

/** A channel that this home's client holds. */
async function ownChannel(context: CommandContext): Promise<ChannelId> {
  const ledger = await openChannelLedger(context);
  const { id, role } = findChannel(ledger, context.args[0] ?? '');
  if (role === 'client') return id;
  const hint = role === 'router' ? 'qvac route closes it when it stops or starts' : 'qvac channels ls';
  throw new QvacError('E_NOT_FOUND', `channel ${id.slice(0, 8)} is not of this home’s client`, { hint });
}

/** Runs `act` as a client on the network. */
async function withClient(
  { config, output, logger, signal }: CommandContext,
  act: (client: Client, channels: WalletChannels) => Promise<void>,
): Promise<void> {
  const [{ openClient }, { mainnetConsent }] = await Promise.all([
    import('../sdk/client.ts'),
    import('./parts/consent.ts'),
  ]);
  // The command itself is the consent.
  const refused = async (): Promise<boolean> => false;
  const consent = { mainnet: mainnetConsent(output, { yes: true }), price: refused, challenge: refused };
  const client = await openClient({ config, logger }, { consent, onChannel: (news) => sayChannel(output, news) });
  try {
    const { channels } = (await client.components.payments?.open({ signal })) ?? {};
    if (channels == null) throw new QvacError('E_BUG', 'this client has no channels');
    await act(client, channels);
  } finally {
    await client.stop();
  }
}

function newsJson({ channel, provider, state, answers, releasedLamports, fees, at, outcome }: ChannelNews) {
  return {
    id: channel,
    peer: provider,
    state,
    answers,
    released: releasedLamports.toString(),
    fees: fees.toString(),
    at,
    outcome: outcome && {
      paid: outcome.paid.toString(),
      refunded: outcome.refunded.toString(),
      burnt: outcome.burnt.toString(),
      compensation: outcome.compensation.toString(),
      signature: outcome.signature,
    },
  };
}

export const command = defineCommand({
  description: [
    'Show and handle your channels. A channel is a deposit with one provider from which many answers are paid:',
    'one transaction opens it, one closes it, and none is needed for an answer. Answers that failed are never paid.',
  ].join(' '),
  examples: [
    { line: 'qvac channels ls', what: 'list all channels that are open' },
    { line: 'qvac channels close 9f3a', what: 'close one of them' },
  ],
  subcommands: { ls, show, open, topup, close },
});
