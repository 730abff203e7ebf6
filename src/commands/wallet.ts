import { QvacError } from '../errors.ts';
import { sol } from '../terminal/format.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { amount, anyText, defineCommand, defineSubcommand, option } from './parts/definition.ts';

const create = defineSubcommand({
  summary: 'create a wallet',
  description: [
    'Create a wallet. Its key file is in the home, readable by you only, in the format of the Solana CLI.',
    'An existing wallet is never overwritten.',
  ].join(' '),
  settings: ['wallet'],
  examples: [{ line: 'qvac wallet new', what: 'create a wallet' }],
  async action({ config: { home }, output }) {
    const { createWallet } = await import('../escrow/wallet.ts');
    const { address, path } = await createWallet(home.wallet);
    output.result({ address, file: path }, [address]);
    output.say(`saved in ${path}: this file controls the money, so back it up and keep it private`);
  },
});

const show = defineSubcommand({
  summary: 'show the address and key file',
  description: 'Show the address and the key file of the wallet in use. The secret key is never shown.',
  settings: chainSettings,
  examples: [{ line: 'qvac wallet show', what: 'show the address to send money to' }],
  async action({ config, output }) {
    const { needWallet } = await import('../sdk/payment/escrow.ts');
    const wallet = await needWallet(config);
    output.result({ address: wallet.address, file: wallet.path }, [wallet.address]);
    output.say(`key file ${wallet.path}`);
  },
});

const take = defineSubcommand({
  summary: 'copy an existing wallet into the home',
  description: [
    'Copy an existing wallet into the home, from a key file of the Solana CLI or from standard input,',
    'where a key in base58 works, too. The secret key is never shown.',
  ].join(' '),
  settings: ['wallet'],
  options: {
    from: option('--from <file>', 'key file (default: standard input, else that of the Solana CLI)', anyText),
  },
  examples: [
    { line: 'qvac wallet import', what: 'copy the wallet of the Solana CLI' },
    { line: 'qvac wallet import --from ~/id.json', what: 'copy a key file' },
  ],
  async action({ config: { home }, options, output, signal }) {
    const [{ findSolanaKeypair, importWallet }, { readFileIfAny }, { readPipedInput }] = await Promise.all([
      import('../escrow/wallet.ts'),
      import('../lib/files.ts'),
      import('../terminal/input.ts'),
    ]);
    const piped = options.from === undefined ? await readPipedInput({ optional: true, signal }) : null;
    const source = options.from ?? (piped === null ? await findSolanaKeypair() : null);
    const bytes = source === null ? null : await readFileIfAny(source);
    const secret = piped ?? (bytes === null ? null : Buffer.from(bytes).toString('utf8'));
    if (secret === null)
      throw new QvacError(
        'E_KEY',
        source === null ? 'no wallet of the Solana CLI found' : `no such key file: ${source}`,
        { hint: 'qvac wallet import --from <file>' },
      );
    const { address, path } = await importWallet(home.wallet, secret);
    output.result({ address, file: path }, [address]);
    output.say(`copied${source === null ? '' : ` ${source}`} to ${path}`);
  },
});

const fund = defineSubcommand({
  summary: 'request free lamports on local or devnet',
  description: 'Request free lamports: any amount on local, a few SOL on devnet, none on mainnet.',
  arguments: [{ name: '[amount]', description: 'lamports, or 2sol (default: 100sol on local, 1sol elsewhere)' }],
  settings: chainSettings,
  examples: [
    { line: 'qvac wallet fund', what: 'get play money on network local' },
    { line: 'qvac wallet fund 1sol --network devnet', what: 'get 1 SOL on devnet' },
  ],
  async action({ args, config, output, signal }) {
    const [{ chainName, isPlay }, { needWallet, openFundedEscrow, playLamports }] = await Promise.all([
      import('../sdk/payment/chain.ts'),
      import('../sdk/payment/escrow.ts'),
    ]);
    const asked =
      args[0] === undefined ? (config.settings.network === 'local' ? playLamports : 1_000_000_000n) : amount(args[0]);
    const wallet = await needWallet(config);
    const { network, rpc, private: privateNetwork } = config.settings;
    const noneOnMainnet = new QvacError('E_CHAIN', 'mainnet has no free lamports', {
      hint: `send SOL to ${wallet.address}`,
    });
    if (network === 'mainnet' && rpc === null && privateNetwork === null) throw noneOnMainnet;
    const escrow = await openFundedEscrow(config, wallet, { signal });
    const name = await chainName(escrow.chain);
    if (name === 'Solana mainnet') throw noneOnMainnet;
    await escrow.airdrop(asked, { signal }).catch((error: unknown) => {
      if (!(error instanceof QvacError) || error.code !== 'E_CHAIN' || isPlay(config)) throw error;
      throw new QvacError('E_CHAIN', error.message, {
        hint: `request less, or try later; https://faucet.solana.com also funds ${wallet.address} on devnet`,
        cause: error,
      });
    });
    const balance = await escrow.balance(wallet.publicKey, { signal });
    output.result({ address: wallet.address, balance: balance.toString() }, [sol(balance)]);
  },
});

const balance = defineSubcommand({
  summary: 'show the balance, and what is locked or staked',
  description: 'Show the balance of the wallet, the amounts locked in jobs and deposited in channels, and the stake.',
  settings: chainSettings,
  examples: [{ line: 'qvac wallet balance', what: 'show the balance' }],
  async action({ config, output, signal }) {
    const [{ chainName }, { needWallet, openFundedEscrow }] = await Promise.all([
      import('../sdk/payment/chain.ts'),
      import('../sdk/payment/escrow.ts'),
    ]);
    const wallet = await needWallet(config);
    const escrow = await openFundedEscrow(config, wallet, { signal });
    const [held, jobs, channels, provider] = await Promise.all([
      escrow.balance(wallet.publicKey, { signal }),
      escrow.jobs({ client: wallet.publicKey }, { signal }),
      escrow.channels({ payer: wallet.publicKey }, { signal }),
      escrow.provider(wallet.publicKey, { signal }),
    ]);
    const locked = jobs.reduce((sum, job) => sum + job.amount, 0n);
    const deposits = channels.reduce((sum, { deposit, settled }) => sum + deposit - settled, 0n);
    const stake = provider?.stake ?? 0n;
    output.result(
      {
        address: wallet.address,
        chain: escrow.chain,
        balance: held.toString(),
        locked: locked.toString(),
        deposits: deposits.toString(),
        stake: stake.toString(),
      },
      [
        sol(held),
        ...(locked === 0n ? [] : [`${sol(locked)} locked in jobs: qvac jobs ls`]),
        ...(deposits === 0n ? [] : [`${sol(deposits)} deposited in channels: qvac channels ls`]),
        ...(stake === 0n ? [] : [`${sol(stake)} staked: qvac provider status`]),
      ],
    );
    output.say(`${wallet.address} on ${await chainName(escrow.chain)}`);
  },
});

export const command = defineCommand({
  description: [
    'Manage the wallet: a Solana key that pays for answers and is paid for them.',
    'On network local, which has play money, it is created and funded when a command needs it.',
  ].join(' '),
  examples: [
    { line: 'qvac wallet balance', what: 'show the balance' },
    { line: 'qvac wallet new', what: 'create a wallet' },
  ],
  subcommands: { new: create, show, import: take, fund, balance },
});
