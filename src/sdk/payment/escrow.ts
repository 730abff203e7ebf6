import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Escrow, WalletKey } from '../../escrow/escrow.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import { readFileIfAny, writeFileAtomic } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { endpointOf, isPlay } from './chain.ts';

/** Airdrop to an empty wallet on a chain with play money. */
export const playLamports = 100_000_000_000n;
/** Interval between two confirmation polls on a chain of this machine. */
const playPollMs = 50;

/**
 * The wallet that the configuration names, else the home's, else that of the Solana command line. With play money, a
 * wallet is created in the home if it has none and the configuration names none.
 * @throws QvacError E_KEY if the key file is damaged, or the configuration names a file that does not exist
 */
export async function findWallet(config: Config): Promise<Wallet | null> {
  const { findSolanaKeypair, loadOrCreateWallet, loadWallet, readWallet } = await import('../../escrow/wallet.ts');
  const { home, settings } = config;
  // A mistyped name must not select another wallet.
  if (settings.wallet !== null) return readWallet(home.wallet);
  if (isPlay(config)) return loadOrCreateWallet(home.wallet);
  const own = await loadWallet(home.wallet);
  if (own !== null) return own;
  const found = await findSolanaKeypair();
  return found === null ? null : readWallet(found);
}

/** @throws QvacError E_KEY if there is no wallet */
export async function needWallet(config: Config): Promise<Wallet> {
  const wallet = await findWallet(config);
  if (wallet === null)
    throw new QvacError('E_KEY', `no wallet found: ${config.home.wallet} does not exist`, {
      hint: 'qvac wallet new creates one, qvac wallet import copies yours',
    });
  return wallet;
}

/**
 * Opens the configured escrow program, and sends nothing.
 * @throws QvacError E_CHAIN, E_CONFIG if the chain or the program cannot be reached
 */
export async function openEscrowOf(
  config: Config,
  wallet: WalletKey | null,
  options: AbortOptions = {},
): Promise<Escrow> {
  const [{ openEscrow }, { parseAddress }] = await Promise.all([
    import('../../escrow/program.ts'),
    import('../../escrow/addresses.ts'),
  ]);
  const { escrow: program, priorityFee } = config.settings;
  return openEscrow(
    {
      rpcUrl: await endpointOf(config, options),
      wallet,
      priorityFee,
      ...(program === null ? {} : { program: parseAddress(program, '--escrow') }),
      ...(isPlay(config) ? { pollMs: playPollMs } : {}),
    },
    options,
  );
}

/**
 * Opens the configured escrow program for transactions: with play money, an empty wallet is funded first.
 * @throws QvacError E_CHAIN, E_CONFIG if the chain or the program cannot be reached
 */
export async function openFundedEscrow(
  config: Config,
  wallet: WalletKey | null,
  options: AbortOptions = {},
): Promise<Escrow> {
  const escrow = await openEscrowOf(config, wallet, options);
  await fundPlayWallet(config, escrow, options);
  return escrow;
}

/** Funds the wallet of `escrow` if it is empty and its money is play money. */
export async function fundPlayWallet(config: Config, escrow: Escrow, options: AbortOptions = {}): Promise<void> {
  if (!isPlay(config) || escrow.wallet === null) return;
  if ((await escrow.balance(escrow.wallet, options)) === 0n) await escrow.airdrop(playLamports, options);
}

/** Asks the owner of the wallet whether this home may spend real money from now on. */
export type MainnetConsent = (options: AbortOptions) => Promise<boolean>;

/**
 * Asks for consent before this home spends on mainnet for the first time, and records a yes in the home.
 * @throws QvacError E_LIMIT without consent
 */
export async function agreeToMainnet(
  { home, settings }: Config,
  escrow: Escrow,
  consent: MainnetConsent,
  options: AbortOptions = {},
): Promise<void> {
  const { chainNames } = await import('../../escrow/addresses.ts');
  // The endpoint alone knows its chain. Configured for mainnet, we ask even if the endpoint claims to be another chain.
  const meant = settings.private === null && settings.network === 'mainnet';
  if (!meant && chainNames[escrow.chain] !== 'Solana mainnet') return;
  const note = join(home.root, 'payments', 'mainnet-agreed');
  if ((await readFileIfAny(note)) !== null) return;
  if (!(await consent(options)))
    throw new QvacError('E_LIMIT', 'spending on Solana mainnet has not been confirmed for this home', {
      hint: 'answer the question on a terminal, or pass --yes',
    });
  await writeFileAtomic(note, `${new Date().toISOString()}\n`);
}

/** Opens the escrow that a client or router pays from, after consent to mainnet. */
export async function openPayingEscrow(
  config: Config,
  consent: MainnetConsent,
  options: AbortOptions = {},
): Promise<Escrow> {
  const escrow = await openFundedEscrow(config, await needWallet(config), options);
  await agreeToMainnet(config, escrow, consent, options);
  return escrow;
}
