import { stat } from 'node:fs/promises';
import type { Config } from '../../config.ts';
import { asQvacError } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import type { ChainLook } from '../../escrow/look.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { isPlay, namedEndpoint } from '../../sdk/payment/chain.ts';
import { shortPeer, sol } from '../../terminal/format.ts';
import type { ClockSources } from './clock.ts';
import { type Finding, fail, failure, ok, warn } from './finding.ts';

export interface ChainFindings {
  readonly findings: readonly Finding[];
  /** The clock of the endpoint if that is another machine. */
  readonly clock: ClockSources['endpoint'];
}

interface Init extends AbortOptions {
  /** Contact no other machine. */
  readonly offline: boolean;
}

/** The chain of each network. */
const expectedNames = { devnet: 'Solana devnet', mainnet: 'Solana mainnet' } as const;

/** Checks chain, wallet, balance and registration. Starts no chain, creates no wallet, spends nothing. */
export async function checkChain(config: Config, init: Init): Promise<ChainFindings> {
  const { wallet, finding: kept } = await checkWallet(config);
  const found = await findEndpoint(config, init.offline);
  if ('finding' in found) return { findings: [found.finding, kept], clock: null };
  const { rpcUrl } = found;
  try {
    const { lookAtChain } = await import('../../escrow/look.ts');
    const program = await programOf(config);
    const look = await lookAtChain({ rpcUrl, program }, init);
    const chain = await describeChain(config, rpcUrl, look);
    const money = look.program && wallet !== null ? await checkMoney(config, rpcUrl, program, wallet, init) : [];
    return {
      findings: [chain, kept, ...money],
      clock: look.clock === null || isLoopback(rpcUrl) ? null : { where: new URL(rpcUrl).host, ...look.clock },
    };
  } catch (error) {
    init.signal?.throwIfAborted();
    const { code, message, hint } = asQvacError(error);
    // Free answers need no chain.
    const finding =
      wantsMoney(config) || code !== 'E_CHAIN'
        ? failure('chain', error)
        : warn('chain', message, hint ?? 'run qvac doctor again later');
    return { findings: [finding, kept], clock: null };
  }
}

/** Whether this configuration pays or is paid. */
function wantsMoney({ settings }: Config): boolean {
  return settings.maxPrice > 0 || (!settings.free && (settings.priceIn > 0 || settings.priceOut > 0));
}

async function findEndpoint(
  config: Config,
  offline: boolean,
): Promise<{ readonly rpcUrl: string } | { readonly finding: Finding }> {
  const named = namedEndpoint(config);
  if (named !== null)
    return offline && !isLoopback(named)
      ? { finding: ok('chain', `${new URL(named).host}: skipped (--offline)`) }
      : { rpcUrl: named };
  const { findHomeChain } = await import('../../escrow/home-chain.ts');
  const running = await findHomeChain(config.home);
  return running === null
    ? { finding: ok('chain', 'the embedded chain of this home: not running, starts when a command needs it') }
    : running;
}

function isLoopback(rpcUrl: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(rpcUrl).hostname);
}

async function programOf({ settings }: Config): Promise<Uint8Array> {
  const { defaultProgramText, parseAddress } = await import('../../escrow/addresses.ts');
  return parseAddress(settings.escrow ?? defaultProgramText, '--escrow');
}

async function describeChain(config: Config, rpcUrl: string, { chain, program }: ChainLook): Promise<Finding> {
  const { addressText, chainNames } = await import('../../escrow/addresses.ts');
  const { network, private: ownNetwork } = config.settings;
  const name = chainNames[chain];
  const unnamed = namedEndpoint(config) === null ? 'the embedded chain of this home' : 'a private chain';
  const what = `${name ?? unnamed} (${chain}) at ${new URL(rpcUrl).host}`;
  const expected = ownNetwork === null && network !== 'local' ? expectedNames[network] : null;
  if (expected !== null && name !== expected)
    return name === expectedNames.mainnet
      ? fail(
          'chain',
          'E_CONFIG',
          `${what} is not ${expected}: spending there costs real money`,
          'pass another endpoint with --rpc, or use --network mainnet',
        )
      : warn('chain', `${what} is not ${expected}`, 'pass another endpoint with --rpc');
  if (program) return ok('chain', `${what}, with the escrow program`);
  const address = addressText(await programOf(config));
  const detail = `${what} has no escrow program at ${address}: paid answers are impossible`;
  const fix = 'pass its address with --escrow, or deploy it (programs/escrow/README.md)';
  return wantsMoney(config) ? fail('chain', 'E_CONFIG', detail, fix) : warn('chain', detail, fix);
}

/** Checks the wallet that commands would use. Creates none and changes no file mode. */
async function checkWallet(config: Config): Promise<{ readonly wallet: Wallet | null; readonly finding: Finding }> {
  const { findSolanaKeypair, readWallet } = await import('../../escrow/wallet.ts');
  const play = isPlay(config);
  const exists = (await stat(config.home.wallet).catch(() => null)) !== null;
  const path = exists || config.settings.wallet !== null ? config.home.wallet : play ? null : await findSolanaKeypair();
  if (path === null) {
    const finding = play
      ? ok('wallet', 'none yet; created when a command needs it')
      : wantsMoney(config)
        ? warn('wallet', 'none, so nothing can be paid', 'qvac wallet new creates one, qvac wallet import copies yours')
        : ok('wallet', 'none; free answers need none');
    return { wallet: null, finding };
  }
  try {
    const wallet = await readWallet(path);
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      return {
        wallet,
        finding: warn(
          'wallet',
          `${path} is readable by other users (mode ${(mode & 0o777).toString(8)})`,
          `chmod 600 ${path}`,
        ),
      };
    return { wallet, finding: ok('wallet', `${wallet.address}, in ${path}`) };
  } catch (error) {
    return { wallet: null, finding: failure('wallet', error) };
  }
}

/** Checks the balance of the wallet and its registration as a provider. */
async function checkMoney(
  config: Config,
  rpcUrl: string,
  program: Uint8Array,
  wallet: Wallet,
  options: AbortOptions,
): Promise<readonly Finding[]> {
  const { openEscrow } = await import('../../escrow/program.ts');
  const escrow = await openEscrow({ rpcUrl, program, wallet: null }, options);
  const balance = await escrow.balance(wallet.publicKey, options);
  const empty = balance === 0n && !isPlay(config) && wantsMoney(config);
  const held = balance === 0n ? (isPlay(config) ? '0 SOL; funded when a command needs it' : '0 SOL') : sol(balance);
  return [
    empty
      ? warn('balance', held, `send lamports to ${wallet.address} (on devnet: qvac wallet fund)`)
      : ok('balance', held),
    ...(await checkStake(config, escrow, wallet, options)),
  ];
}

async function checkStake(
  config: Config,
  escrow: Escrow,
  wallet: Wallet,
  options: AbortOptions,
): Promise<readonly Finding[]> {
  const account = await escrow.provider(wallet.publicKey, options);
  const { settings, home } = config;
  if (account === null) {
    if (settings.free || (settings.priceIn === 0 && settings.priceOut === 0)) return [];
    return [
      isPlay(config)
        ? ok('stake', 'not registered yet; qvac serve registers')
        : warn(
            'stake',
            'prices are set, but this wallet is not registered, so no client can pay',
            'qvac provider register',
          ),
    ];
  }
  const { peerIdOf } = await import('../../proofs/signing.ts');
  const registered = peerIdOf(account.peer);
  const own = await ownPeer(home.keys.provider);
  if (own !== null && own !== registered)
    return [
      warn(
        'stake',
        `the wallet is registered for node ${shortPeer(registered)}, not for this home's ${shortPeer(own)}`,
        'qvac provider rotate-peer',
      ),
    ];
  const held = `${sol(account.stake)}, ${sol(account.freeStake)} of it free for jobs, node ${shortPeer(registered)}`;
  return [
    account.active
      ? ok('stake', held)
      : warn('stake', `${held}: below the minimum, so no jobs arrive`, 'qvac provider stake 0.1sol'),
  ];
}

async function ownPeer(path: string): Promise<string | null> {
  if ((await stat(path).catch(() => null)) === null) return null;
  const { loadIdentity } = await import('../../node/home/identity.ts');
  // A damaged key has a finding of its own.
  return loadIdentity(path).then(
    ({ peer }) => peer,
    () => null,
  );
}
