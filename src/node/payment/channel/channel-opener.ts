import { QvacError } from '../../../errors.ts';
import type { ProviderAccount } from '../../../escrow/accounts.ts';
import { escrowRules } from '../../../escrow/constants.ts';
import type { Escrow } from '../../../escrow/escrow.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { channelIdHex } from '../../../protocol/digests.ts';
import { channelIdOf } from '../../../protocol/layouts/channel-terms.ts';
import type { Signed } from '../../../protocol/messages.ts';
import type { Peer } from '../../peer/peer.ts';
import type { WantedChannel } from './channels.ts';
import { feeReserveLamports, keptLifeS, maxKeptAddrs, sessionLifeS } from './constants.ts';
import { proposeChannel, type WantedTerms } from './frames.ts';
import type { Held, HeldChannels } from './held-channels.ts';
import type { OpenChannel } from './open-channel.ts';

export interface ChannelOpenerComponents {
  /** With the wallet that pays. */
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  /** This client's node. */
  readonly peer: Peer;
  readonly held: HeldChannels;
  /** The deposit is about to leave the wallet. */
  readonly onOpening: (channel: OpenChannel) => void;
}

/**
 * Has the provider sign terms, and opens the channel on the chain. On disk before the deposit leaves the wallet.
 * @throws QvacError E_ESCROW, E_FUNDS, E_CHAIN, E_HOME; as of `proposeChannel`
 */
export async function openChannel(
  { escrow, peer, held, onOpening }: ChannelOpenerComponents,
  wanted: WantedChannel,
  options: AbortOptions,
): Promise<Held> {
  const { provider, key, pay, depositLamports, isKept } = wanted;
  const cannot = (why: string, hint?: string): QvacError =>
    new QvacError('E_ESCROW', `no channel with ${shortPeer(provider)}: ${why}`, { hint });
  if (pay.chain !== escrow.chain || !equalBytes(pay.program, escrow.program))
    throw cannot('it takes payment on another chain or by another program');
  const [account, balance, rent, now] = await Promise.all([
    escrow.provider(pay.payee, options),
    escrow.balance(escrow.wallet, options),
    escrow.rent(escrowRules.channelAccountBytes, options),
    escrow.now(options),
  ]);
  if (account === null || !equalBytes(account.peer, key))
    throw cannot('the payee that it names is not registered for this node');
  const windows = windowsFor(wanted, account);
  if (windows.length === 0) throw cannot('its stake does not cover it', 'a smaller --deposit');
  const needed = depositLamports + rent + feeReserveLamports;
  if (balance < needed)
    throw new QvacError('E_FUNDS', `the wallet holds ${balance} lamports, ${needed} are needed for this channel`, {
      hint: 'qvac wallet fund, or a smaller --deposit',
    });
  const terms = await proposeLargest(
    peer,
    provider,
    windows.map((windowLamports) => ({
      chain: escrow.genesis,
      program: escrow.program,
      payer: escrow.wallet,
      authority: pay.payee,
      provider: key,
      client: peer.key.publicKey,
      depositLamports,
      windowLamports,
      expiresAt: BigInt(Math.floor(now / 1_000) + (isKept ? keptLifeS : sessionLifeS)),
    })),
    now,
    options,
  );
  const nothing = {
    closingAt: 0,
    releasedLamports: 0n,
    answers: 0,
    jobs: [],
    untold: null,
    hasEvidence: false,
    fees: 0n,
  };
  const addrs = (await peer.addrsOf(provider)).slice(0, maxKeptAddrs);
  const kept = { chain: escrow.chain, terms, addrs, isKept, phase: 'opening', ...nothing } as const;
  const opened = await held.create(channelIdHex(channelIdOf(terms.body)), kept, depositLamports);
  try {
    onOpening(opened.channel);
    const { fee } = await escrow.openChannel(terms, options);
    await opened.channel.change({ phase: 'open', fees: fee });
  } catch (error) {
    await opened.release();
    throw error;
  }
  held.keep(opened);
  return opened;
}

/** The windows that the provider's stake covers, the larger one first. */
function windowsFor(
  { windowLamports, minWindowLamports = windowLamports }: WantedChannel,
  { freeStake }: ProviderAccount,
): readonly bigint[] {
  const windows = minWindowLamports === windowLamports ? [windowLamports] : [windowLamports, minWindowLamports];
  return windows.filter((window) => escrowRules.slashMultiple * window <= freeStake);
}

/** Proposes one set of terms after another until the provider has the stake for them. @throws as `proposeChannel` */
async function proposeLargest(
  peer: Peer,
  provider: PeerIdString,
  [first, ...others]: readonly WantedTerms[],
  now: number,
  options: AbortOptions,
): Promise<Signed> {
  if (first === undefined) throw new RangeError('"terms" expected at least one, got none');
  try {
    return await proposeChannel(peer, provider, first, now, options);
  } catch (error) {
    if (others.length === 0 || !(error instanceof QvacError) || error.code !== 'E_BUSY') throw error;
    return proposeLargest(peer, provider, others, now, options);
  }
}
