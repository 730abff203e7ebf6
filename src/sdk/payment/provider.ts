import type { Config } from '../../config.ts';
import { messageOf, QvacError } from '../../errors.ts';
import type { ProviderAccount } from '../../escrow/accounts.ts';
import { escrowRules } from '../../escrow/constants.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { hasCrashed } from '../../escrow/home-chain.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import { equalBytes } from '../../lib/bytes.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createEarnings } from '../../node/home/earnings.ts';
import type { Identity } from '../../node/home/identity.ts';
import { createEscrowPayouts } from '../../node/provider/payment/escrow-payouts.ts';
import type { ChannelNews, PaymentNews, ProviderPayouts } from '../../node/provider/payment/payouts.ts';
import { endpointOf, isEmbedded, isPlay } from './chain.ts';
import { agreeToMainnet, type MainnetConsent, needWallet, openFundedEscrow } from './escrow.ts';

/** Stake of a node that registers itself on a chain with play money. */
const playStakeLamports = 10_000_000_000n;
/** Interval between two checks that the home's chain runs. */
const chainCheckMs = 2_000;
/** Interval between two sweeps over all jobs; on a cluster others carry the load. */
const sweepMs = { play: 5_000, cluster: 30_000 } as const;

/** The registration that a provider needs before it is paid. */
export interface Registration {
  readonly stakeLamports: bigint;
  /** Whether another node is registered for this wallet, whose place this node takes. */
  readonly replaces: boolean;
}

/** How the operator agrees to what a paid provider costs. */
export interface ProviderConsent {
  readonly mainnet: MainnetConsent;
  /** Asked only if lamports are real money. */
  register(registration: Registration, options: AbortOptions): Promise<boolean>;
}

/** What the operator is told while payments are opened, and later about each payment. */
export interface ProviderPaymentsObserver {
  registered?(registration: Registration): void;
  /** The stake is below the minimum, so the chain accepts no job for this provider. */
  understaked?(): void;
  /** @param chain CAIP-2 */
  payee?(wallet: string, chain: string): void;
  payment?(news: PaymentNews): void;
  channel?(news: ChannelNews): void;
}

export interface ProviderPaymentsComponents {
  readonly config: Config;
  readonly logger: Logger;
  readonly consent: ProviderConsent;
  readonly observer: ProviderPaymentsObserver;
}

/**
 * Opens the payments of a provider and registers its node on the chain if it is not registered. Asks for consent first,
 * unless lamports are play money.
 * @param options `signal` ends what runs in the background, too
 * @throws QvacError E_KEY, E_CONFIG, E_CHAIN, E_FUNDS; E_LIMIT without consent to mainnet
 */
export async function openProviderPayments(
  components: ProviderPaymentsComponents,
  key: Identity,
  options: { readonly signal: AbortSignal },
): Promise<ProviderPayouts> {
  const { config, logger, consent, observer } = components;
  const wallet = await needWallet(config);
  const escrow = await openFundedEscrow(config, wallet, options);
  // Every answer costs the transaction fee of its submit.
  await agreeToMainnet(config, escrow, consent.mainnet, options);
  await register(components, escrow, wallet, key, options);
  observer.payee?.(wallet.address, escrow.chain);
  if (isEmbedded(config)) keepChain({ config, logger }, options.signal);
  const earnings = createEarnings({ clock: systemClock, logger }, config.home.earnings);
  return createEscrowPayouts(
    { escrow, key: key.signingKey, clock: systemClock, logger },
    {
      dir: config.home.payments.provider,
      channelDir: config.home.channels.provider,
      stepDir: config.home.steps,
      sweepMs: isPlay(config) ? sweepMs.play : sweepMs.cluster,
      onNews(news) {
        // Earnings are on disk before anyone hears of them.
        if (news.state === 'paid') void earnings.add(news.lamports).then(() => observer.payment?.(news));
        else observer.payment?.(news);
      },
      onChannelNews(news) {
        if (news.lamports > 0n) void earnings.add(news.lamports).then(() => observer.channel?.(news));
        else observer.channel?.(news);
      },
    },
  );
}

/**
 * Restarts the home's chain after a crash for as long as answers are paid on it, at the same address if that is free.
 * Leaves a chain that was stopped alone.
 */
function keepChain({ config, logger }: Pick<ProviderPaymentsComponents, 'config' | 'logger'>, signal: AbortSignal) {
  let checking = false;
  const check = async (): Promise<void> => {
    if (checking) return;
    checking = true;
    try {
      if (await hasCrashed(config.home)) await endpointOf(config, { signal });
    } catch (error) {
      if (!signal.aborted) logger.warn('cannot restart the chain of this home', { reason: messageOf(error) });
    } finally {
      checking = false;
    }
  };
  const timer = setInterval(() => void check(), chainCheckMs).unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** Registers this node for the wallet unless the chain already has it. */
async function register(
  { config, consent, observer }: ProviderPaymentsComponents,
  escrow: Escrow,
  wallet: Wallet,
  { signingKey }: Identity,
  options: AbortOptions,
): Promise<void> {
  const account: ProviderAccount | null = await escrow.provider(wallet.publicKey, options);
  if (account !== null && equalBytes(account.peer, signingKey.publicKey)) {
    if (account.stake < escrowRules.minStakeLamports) observer.understaked?.();
    return;
  }
  const play = isPlay(config);
  const registration: Registration = {
    stakeLamports: play ? playStakeLamports : escrowRules.minStakeLamports,
    replaces: account !== null,
  };
  if (!play && !(await consent.register(registration, options))) {
    const command = registration.replaces ? 'qvac provider rotate-peer' : 'qvac provider register';
    throw new QvacError('E_CONFIG', 'this node is not registered to be paid', {
      hint: `${command}; or serve with --yes to register, with --free to serve free of charge`,
    });
  }
  if (account === null) await escrow.register({ node: signingKey, stake: registration.stakeLamports }, options);
  else await escrow.rotatePeer({ node: signingKey }, options);
  observer.registered?.(registration);
}
