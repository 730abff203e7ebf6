import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Escrow, WalletKey } from '../../escrow/escrow.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import { readFileIfAny, writeFileAtomic } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { SettingKey } from '../../settings.ts';
import type { Output } from '../../terminal/output.ts';

/** The settings of whatever touches the chain. */
export const chainSettings: readonly SettingKey[] = ['rpc', 'wallet', 'escrow', 'priorityFee'];

/** An embedded chain ends when nobody has used it for so long, in seconds. */
const chainIdleSeconds = 600;
/** What a wallet gets where lamports are play money. */
export const playLamports = 100_000_000_000n;

const endpoints = { devnet: 'https://api.devnet.solana.com', mainnet: 'https://api.mainnet-beta.solana.com' } as const;

/** Whether this configuration's chain is the home's own, inside the program. */
export function isEmbedded({ settings }: Config): boolean {
  return settings.rpc === null && (settings.private !== null || settings.network === 'local');
}

/**
 * Whether lamports are play money there: the home's own chain, or one of this machine that a network of one's own
 * names.
 */
export function isPlay(config: Config): boolean {
  const { rpc, network, private: ownNetwork } = config.settings;
  if (ownNetwork === null && network !== 'local') return false;
  return rpc === null || ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(rpc).hostname);
}

/** The endpoint that the configuration names; null where it is the embedded chain's, wherever that runs. */
export function namedEndpoint(config: Config): string | null {
  const { rpc, network } = config.settings;
  if (rpc !== null) return rpc;
  return isEmbedded(config) || network === 'local' ? null : endpoints[network];
}

/** The endpoint of the chain that the configuration names; the embedded one is started where it does not run. */
export async function endpointOf(config: Config, options: AbortOptions = {}): Promise<string> {
  const named = namedEndpoint(config);
  if (named !== null) return named;
  const { ensureHomeChain } = await import('../../escrow/home-chain.ts');
  return (await ensureHomeChain(config.home, () => startChainProcess(config), options)).rpcUrl;
}

/** A process of its own, so that the chain outlives whichever command needed it first. */
function startChainProcess({ home }: Config): void {
  // Bundled, this file is a chunk in dist/chunks/.
  const main = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? '../../main.ts' : '../main.js', import.meta.url),
  );
  const child = spawn(
    process.execPath,
    [main, 'chain', '--home', home.root, '--idle', String(chainIdleSeconds), '--quiet'],
    { detached: true, stdio: 'ignore' },
  );
  // What keeps it from starting is seen by nobody; whoever waits for it says so.
  child.on('error', () => undefined);
  child.unref();
}

/**
 * The wallet that the configuration names: the home's, else the Solana command line's. Where lamports are play money
 * and no
 * file is named, one is made where there is none.
 * @throws QvacError E_KEY
 */
export async function findWallet(config: Config): Promise<Wallet | null> {
  const { findSolanaKeypair, loadOrCreateWallet, loadWallet, readWallet } = await import('../../escrow/wallet.ts');
  const { home, settings } = config;
  // A name that was mistyped is no wish for another wallet.
  if (settings.wallet !== null) return readWallet(home.wallet);
  if (isPlay(config)) return loadOrCreateWallet(home.wallet);
  const own = await loadWallet(home.wallet);
  if (own !== null) return own;
  const found = await findSolanaKeypair();
  return found === null ? null : readWallet(found);
}

/** @throws QvacError E_KEY where there is no wallet */
export async function needWallet(config: Config): Promise<Wallet> {
  const wallet = await findWallet(config);
  if (wallet === null)
    throw new QvacError('E_KEY', 'there is no wallet yet', {
      hint: 'qvac wallet new makes one, qvac wallet import takes yours',
    });
  return wallet;
}

/**
 * The escrow of the configuration. Where lamports are play money, a wallet that is empty is filled first.
 * @throws QvacError E_CHAIN, E_CONFIG where the chain or the program is not there
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
  const play = isPlay(config);
  const escrow = await openEscrow(
    {
      rpcUrl: await endpointOf(config, options),
      wallet,
      priorityFee,
      ...(program === null ? {} : { program: parseAddress(program, '--escrow') }),
      ...(play ? { pollMs: 50 } : {}),
    },
    options,
  );
  if (play && wallet !== null && (await escrow.balance(wallet.publicKey, options)) === 0n)
    await escrow.airdrop(playLamports, options);
  return escrow;
}

export interface MainnetConsent extends AbortOptions {
  readonly config: Config;
  readonly output: Output;
  readonly yes: boolean;
  /** May be asked on a terminal. @default true */
  readonly ask?: boolean | undefined;
}

/**
 * Makes sure, once per home, that real money is meant to be spent.
 * @throws QvacError E_LIMIT where nobody said so
 */
export async function agreeToMainnet(
  { config, output, yes, ask = true, signal }: MainnetConsent,
  escrow: Escrow,
): Promise<void> {
  const { chainNames } = await import('../../escrow/addresses.ts');
  // Which chain it is only the endpoint says; on a network of that name it is not believed that it is another.
  const { network, private: ownNetwork } = config.settings;
  const meant = ownNetwork === null && network === 'mainnet';
  if (!meant && chainNames[escrow.chain] !== 'Solana mainnet') return;
  const note = join(config.home.root, 'payments', 'mainnet-agreed');
  if ((await readFileIfAny(note)) !== null) return;
  const { confirm } = await import('../../terminal/confirm.ts');
  output.warn('this is Solana mainnet: what is spent here is real money');
  if (
    !yes &&
    (!ask ||
      (await confirm('Spend real SOL from this home from now on?', { ...(signal === undefined ? {} : { signal }) })) !==
        true)
  ) {
    throw new QvacError('E_LIMIT', 'nothing is spent on mainnet before you said so once', {
      hint: 'on a terminal you are asked; elsewhere --yes says it',
    });
  }
  await writeFileAtomic(note, `${new Date().toISOString()}\n`);
}

/** What people call the chain. */
export async function chainName(chain: string): Promise<string> {
  const { chainNames } = await import('../../escrow/addresses.ts');
  return chainNames[chain] ?? chain;
}
