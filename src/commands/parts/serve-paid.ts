import { messageOf, QvacError } from '../../errors.ts';
import type { Escrow, ProviderAccount } from '../../escrow/escrow.ts';
import type { Wallet } from '../../escrow/wallet.ts';
import { equalBytes } from '../../lib/bytes.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Identity } from '../../node/home/identity.ts';
import type { PaymentNews, ProviderPayouts } from '../../node/provider/payment/payouts.ts';
import { shortId, sol } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import type { CommandContext } from './definition.ts';
import { agreeToMainnet, endpointOf, isEmbedded, isPlay, needWallet, openEscrowOf } from './paying.ts';

/** `yes`: the person has agreed to whatever would be asked. */
type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'> & { readonly yes?: boolean | undefined };

/** What is staked by itself where lamports are play money. */
const playStake = 10_000_000_000n;
/** Between two looks whether the home's chain runs, ms. */
const chainLookMs = 2_000;
/** Between two looks at all jobs: on this machine, and where others bear the load, ms. */
const sweepMs = { play: 5_000, cluster: 30_000 } as const;

/**
 * How `serve` is paid: with its node registered, by itself where lamports are play money, else once the person agreed.
 * @throws QvacError E_KEY, E_CONFIG, E_CHAIN, E_FUNDS
 */
export async function openProviderPayments(context: Context, key: Identity): Promise<ProviderPayouts> {
  const { config, output, logger, signal, yes = false } = context;
  const [{ createEscrowPayouts }, { createEarnings }] = await Promise.all([
    import('../../node/provider/payment/escrow-payouts.ts'),
    import('../../node/home/earnings.ts'),
  ]);
  const wallet = await needWallet(config);
  const escrow = await openEscrowOf(config, wallet, { signal });
  // Every answer costs the fee of its submit.
  await agreeToMainnet({ config, output, yes, signal }, escrow);
  await register(context, escrow, wallet, key);
  output.say(`paid to ${wallet.address} on ${escrow.chain}`);
  if (isEmbedded(config)) await keepChain(context);
  const init = {
    peer: key.signingKey.publicKey,
    dir: config.home.payments.provider,
    sweepMs: isPlay(config) ? sweepMs.play : sweepMs.cluster,
  };
  const earnings = createEarnings({ clock: systemClock, logger }, config.home.earnings);
  const onNews = (news: PaymentNews): void => {
    // Told once it is written down, so that whoever hears of it finds it.
    if (news.state === 'paid') void earnings.add(news.lamports).then(() => report(output, news));
    else report(output, news);
  };
  return createEscrowPayouts({ escrow, clock: systemClock, logger }, { ...init, onNews });
}

/**
 * Starts the home's chain again where it crashed while answers are paid on it, at the same address unless another took
 * that. One that somebody ended stays ended.
 */
async function keepChain({ config, logger, signal }: Context): Promise<void> {
  const { hasCrashed } = await import('../../escrow/home-chain.ts');
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      if (await hasCrashed(config.home)) await endpointOf(config, { signal });
    } catch (error) {
      if (!signal.aborted)
        logger.warn('the chain of this home does not run', {
          reason: messageOf(error),
        });
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look(), chainLookMs).unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** Makes sure that the chain knows this node as the wallet's. */
async function register(context: Context, escrow: Escrow, wallet: Wallet, { signingKey }: Identity): Promise<void> {
  const { signal } = context;
  const account = await escrow.provider(wallet.publicKey, { signal });
  if (account !== null && equalBytes(account.peer, signingKey.publicKey)) return warnOf(context.output, account);
  const { escrowRules } = await import('../../escrow/escrow.ts');
  const play = isPlay(context.config);
  const stake = play ? playStake : escrowRules.minStakeLamports;
  const question =
    account === null
      ? `This node is not registered to be paid. Register it, with a stake of ${sol(stake)}?`
      : 'Another node is registered for this wallet. Register this one in its place?';
  if (!play && context.yes !== true)
    await agree(context, question, account === null ? 'qvac provider register' : 'qvac provider rotate-peer');
  if (account === null) await escrow.register({ node: signingKey, stake }, { signal });
  else await escrow.rotatePeer({ node: signingKey }, { signal });
  context.output.say(
    account === null ? `registered, with a stake of ${sol(stake)}` : 'registered in the place of another node',
  );
}

async function agree({ signal }: Context, question: string, command: string): Promise<void> {
  const { confirm } = await import('../../terminal/confirm.ts');
  if ((await confirm(question, { signal })) !== true)
    throw new QvacError('E_CONFIG', 'this node is not registered to be paid', {
      hint: `${command}; --yes says it at the start, --free serves for nothing`,
    });
}

function warnOf(output: Output, { active }: ProviderAccount): void {
  if (!active) output.warn('the stake is below the least, so nobody can pay: qvac provider stake 0.1sol');
}

function report(output: Output, { job, state, lamports }: PaymentNews): void {
  const words: Readonly<Record<PaymentNews['state'], string>> = {
    submitted: `submitted, ${sol(lamports)} to come`,
    paid: `paid, ${sol(lamports)}`,
    declined: 'given back, not served',
    refunded: 'given back, not submitted in time',
    rejected: 'rejected by its client: nobody is paid',
    slashed: 'slashed',
    gone: 'settled',
  };
  output.event(
    { event: 'payment', job, state, lamports: lamports.toString() },
    `· job ${shortId(job)}: ${words[state]}`,
  );
}
