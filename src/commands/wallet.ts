import { QvacError } from '../errors.ts';
import { sol } from '../terminal/format.ts';
import { amount, anyText, defineCommand, defineSubcommand, option } from './parts/definition.ts';
import {
  chainName,
  chainSettings,
  findWallet,
  isPlay,
  needWallet,
  openEscrowOf,
  playLamports,
} from './parts/paying.ts';

const create = defineSubcommand({
  summary: 'make a wallet',
  description:
    'Makes a wallet and keeps its key in the home, readable by you only, as the Solana command line keeps keys. Never writes over another. With --json: {address, file}.',
  settings: ['wallet'],
  examples: [{ line: 'qvac wallet new', what: 'make one' }],
  async action({ config: { home }, output }) {
    const { createWallet } = await import('../escrow/wallet.ts');
    const { address, path } = await createWallet(home.wallet);
    output.result({ address, file: path }, [address]);
    output.say(`kept in ${path}: whoever has that file has the money, so keep a copy of it`);
  },
});

const show = defineSubcommand({
  summary: 'its address and file',
  description:
    'Shows the address and the file of the wallet that is used; never the secret. With --json: {address, file}.',
  settings: chainSettings,
  examples: [{ line: 'qvac wallet show', what: 'where to send money to' }],
  async action({ config, output }) {
    const wallet = await findWallet(config);
    if (wallet === null) throw new QvacError('E_KEY', 'there is no wallet yet', { hint: 'qvac wallet new' });
    output.result({ address: wallet.address, file: wallet.path }, [wallet.address]);
    output.say(`kept in ${wallet.path}`);
  },
});

const take = defineSubcommand({
  summary: 'keep a copy of a wallet that you have',
  description:
    'Keeps a copy of a wallet in the home: from a key file of the Solana command line, or from standard input, also as a key in base58. The secret is never shown. With --json: {address, file}.',
  settings: ['wallet'],
  options: {
    from: option('--from <file>', "its key file; otherwise standard input, or the Solana command line's own", anyText),
  },
  examples: [
    { line: 'qvac wallet import', what: "the Solana command line's wallet" },
    { line: 'qvac wallet import --from ~/id.json', what: 'a key file' },
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
        source === null ? 'there is no wallet of the Solana command line here' : `there is no key file ${source}`,
        { hint: 'qvac wallet import --from <file>' },
      );
    const { address, path } = await importWallet(home.wallet, secret);
    output.result({ address, file: path }, [address]);
    output.say(`a copy${source === null ? '' : ` of ${source}`} is kept in ${path}`);
  },
});

const fund = defineSubcommand({
  summary: 'get lamports where the network gives them away',
  description:
    'Asks the network for lamports: on local as many as you like, on devnet a few, on mainnet none. With --json: {address, balance}, lamports as text.',
  arguments: [{ name: '[amount]', description: 'lamports, or as 2sol; otherwise 100 SOL on local, 1 SOL elsewhere' }],
  settings: chainSettings,
  examples: [
    { line: 'qvac wallet fund', what: 'play money on network local' },
    { line: 'qvac wallet fund 1sol --network devnet', what: 'one SOL of devnet' },
  ],
  async action({ args, config, output, signal }) {
    const asked =
      args[0] === undefined ? (config.settings.network === 'local' ? playLamports : 1_000_000_000n) : amount(args[0]);
    const wallet = await needWallet(config);
    const { network, rpc, private: ownNetwork } = config.settings;
    const nothing = new QvacError('E_CHAIN', 'mainnet gives no lamports away', {
      hint: `send SOL to ${wallet.address}`,
    });
    if (network === 'mainnet' && rpc === null && ownNetwork === null) throw nothing;
    const escrow = await openEscrowOf(config, wallet, { signal });
    const name = await chainName(escrow.chain);
    if (name === 'Solana mainnet') throw nothing;
    await escrow.airdrop(asked, { signal }).catch((error: unknown) => {
      if (!(error instanceof QvacError) || error.code !== 'E_CHAIN' || isPlay(config)) throw error;
      throw new QvacError('E_CHAIN', error.message, {
        hint: `ask for less, or later; https://faucet.solana.com gives devnet SOL to ${wallet.address}`,
        cause: error,
      });
    });
    const balance = await escrow.balance(wallet.publicKey, { signal });
    output.result({ address: wallet.address, balance: balance.toString() }, [sol(balance)]);
  },
});

const balance = defineSubcommand({
  summary: 'what it holds, and what is locked',
  description:
    'Shows what the wallet holds, what is locked in jobs that are not settled, and what is staked. With --json: {address, chain, balance, locked, stake}, lamports as text.',
  settings: chainSettings,
  examples: [{ line: 'qvac wallet balance', what: 'how much is there' }],
  async action({ config, output, signal }) {
    const wallet = await needWallet(config);
    const escrow = await openEscrowOf(config, wallet, { signal });
    const [held, jobs, provider] = await Promise.all([
      escrow.balance(wallet.publicKey, { signal }),
      escrow.jobs({ client: wallet.publicKey }, { signal }),
      escrow.provider(wallet.publicKey, { signal }),
    ]);
    const locked = jobs.reduce((sum, job) => sum + job.amount, 0n);
    const stake = provider?.stake ?? 0n;
    output.result(
      {
        address: wallet.address,
        chain: escrow.chain,
        balance: held.toString(),
        locked: locked.toString(),
        stake: stake.toString(),
      },
      [
        sol(held),
        ...(locked === 0n ? [] : [`${sol(locked)} locked in jobs: qvac jobs ls`]),
        ...(stake === 0n ? [] : [`${sol(stake)} staked: qvac provider status`]),
      ],
    );
    output.say(`${wallet.address} on ${await chainName(escrow.chain)}`);
  },
});

export const command = defineCommand({
  description:
    'The wallet is a Solana key that pays for answers and is paid for them. On network local, where money is play money, it is made and filled when it is first needed.',
  examples: [
    { line: 'qvac wallet balance', what: 'how much is there' },
    { line: 'qvac wallet new', what: 'make one' },
  ],
  subcommands: { new: create, show, import: take, fund, balance },
});
