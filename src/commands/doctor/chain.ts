import { stat } from 'node:fs/promises';
import type { Config } from '../../config.ts';
import { asQvacError } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import type { ChainLook } from '../../escrow/look.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { shortPeer, sol } from '../../terminal/format.ts';
import { isPlay, namedEndpoint } from '../parts/paying.ts';
import type { ClockSources } from './clock.ts';
import { type Finding, fail, failure, ok, warn } from './finding.ts';

export interface ChainFindings {
  readonly findings: readonly Finding[];
  /** The endpoint's clock, where it is another machine's. */
  readonly clock: ClockSources['endpoint'];
}

interface Init extends AbortOptions {
  /** Nothing leaves this machine. */
  readonly offline: boolean;
}

/** What people call the chain of each network. */
const expectedNames = { devnet: 'Solana devnet', mainnet: 'Solana mainnet' } as const;

/**
 * The chain, the wallet, what it holds, and how its owner is registered. Starts no chain, makes no wallet, spends
 * nothing.
 */
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
    // Answers that cost nothing need no chain.
    const finding =
      wantsMoney(config) || code !== 'E_CHAIN'
        ? failure('chain', error)
        : warn('chain', message, hint ?? 'qvac doctor again, later');
    return { findings: [finding, kept], clock: null };
  }
}

/** Where this configuration pays or is paid. */
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
      ? { finding: ok('chain', `${new URL(named).host}: not asked (--offline)`) }
      : { rpcUrl: named };
  const { findHomeChain } = await import('../../escrow/home-chain.ts');
  const running = await findHomeChain(config.home);
  return running === null
    ? { finding: ok('chain', 'the embedded chain of this home; it does not run, and starts when it is first needed') }
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
  const what = `${name ?? (namedEndpoint(config) === null ? 'the embedded chain of this home' : 'a chain of its own')} (${chain}) at ${new URL(rpcUrl).host}`;
  const expected = ownNetwork === null && network !== 'local' ? expectedNames[network] : null;
  if (expected !== null && name !== expected)
    return name === expectedNames.mainnet
      ? fail(
          'chain',
          'E_CONFIG',
          `${what} is not ${expected}: what is spent there is real money`,
          'name another endpoint with --rpc, or say --network mainnet',
        )
      : warn('chain', `${what} is not ${expected}`, 'name another endpoint with --rpc');
  if (program) return ok('chain', `${what}, with the escrow program`);
  const detail = `${what} has no escrow program ${addressText(await programOf(config))}: nobody can be paid there`;
  const fix = 'name where it lies with --escrow, or deploy it (programs/escrow/README.md)';
  return wantsMoney(config) ? fail('chain', 'E_CONFIG', detail, fix) : warn('chain', detail, fix);
}

/** The wallet that would be used. One that is missing is not made, one that others may read is left so. */
async function checkWallet(config: Config): Promise<{ readonly wallet: Wallet | null; readonly finding: Finding }> {
  const { findSolanaKeypair, readWallet } = await import('../../escrow/wallet.ts');
  const play = isPlay(config);
  const exists = (await stat(config.home.wallet).catch(() => null)) !== null;
  const path = exists || config.settings.wallet !== null ? config.home.wallet : play ? null : await findSolanaKeypair();
  if (path === null) {
    const finding = play
      ? ok('wallet', 'none yet; it is made when it is first needed')
      : wantsMoney(config)
        ? warn(
            'wallet',
            'there is none, so nothing can be paid',
            'qvac wallet new makes one, qvac wallet import takes yours',
          )
        : ok('wallet', 'none; what costs nothing needs none');
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
          `${path} can be read by other users (mode ${(mode & 0o777).toString(8)})`,
          `chmod 600 ${path}`,
        ),
      };
    return { wallet, finding: ok('wallet', `${wallet.address}, kept in ${path}`) };
  } catch (error) {
    return { wallet: null, finding: failure('wallet', error) };
  }
}

/** What the wallet holds, and how it is registered. */
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
  const held =
    balance === 0n ? (isPlay(config) ? 'nothing; it is filled when it is first needed' : 'nothing') : sol(balance);
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
        ? ok('stake', 'not registered yet; qvac serve does it')
        : warn('stake', 'prices are set, but this wallet is not registered: nobody can pay', 'qvac provider register'),
    ];
  }
  const { peerIdOf } = await import('../../proofs/signing.ts');
  const registered = peerIdOf(account.peer);
  const own = await ownPeer(home.keys.provider);
  if (own !== null && own !== registered)
    return [
      warn(
        'stake',
        `${shortPeer(registered)} is registered for this wallet, not this home's ${shortPeer(own)}`,
        'qvac provider rotate-peer',
      ),
    ];
  const held = `${sol(account.stake)}, ${sol(account.freeStake)} of it free for jobs, for ${shortPeer(registered)}`;
  return [
    account.active
      ? ok('stake', held)
      : warn('stake', `${held}: below the least, so no jobs are offered`, 'qvac provider stake 0.1sol'),
  ];
}

async function ownPeer(path: string): Promise<string | null> {
  if ((await stat(path).catch(() => null)) === null) return null;
  const { loadIdentity } = await import('../../node/home/identity.ts');
  // A key that is none has its own line.
  return loadIdentity(path).then(
    ({ peer }) => peer,
    () => null,
  );
}
