import type { Escrow } from '../../../../escrow/escrow.ts';
import { RefusedError } from '../../../../escrow/refusal.ts';
import type { ChannelNews } from '../payouts.ts';
import { expiryMarginMs, settleAboveFees, settleFeeLamports } from './constants.ts';
import type { ServedChannel } from './served-channel.ts';

export interface ChannelSettlerComponents {
  readonly escrow: Escrow;
  readonly onNews: (news: ChannelNews) => void;
}

/** Brings to the chain what is due of a channel, and closes it. */
export class ChannelSettler {
  readonly #components: ChannelSettlerComponents;

  constructor(components: ChannelSettlerComponents) {
    this.#components = components;
  }

  /**
   * Does what is due now.
   * @param now unix ms of the chain
   * @returns whether the channel may have ended
   * @throws QvacError E_CHAIN, E_ESCROW, E_FUNDS
   */
  async handle(channel: ServedChannel, now: number): Promise<boolean> {
    const { escrow } = this.#components;
    const { account, noObjection } = channel;
    const { closing } = account;
    // The chain compares whole seconds, and closes only after this one.
    const mayClose = now >= account.validUntil + 1_000;
    if (noObjection !== null && mayClose && account.challengesOpen === 0)
      return ended(() => escrow.closeChannel(account, noObjection));
    if (closing !== null) {
      if (now < closing.finishAt) await this.#bring(channel);
      else if (account.challengesOpen === 0) return ended(() => escrow.finishChannel(account));
      return false;
    }
    if (now >= account.expiresAt && !channel.isBusy) return this.#requestClose(channel, mayClose);
    const isLate = now >= account.expiresAt - expiryMarginMs;
    if (isLate || channel.dueLamports > settleAboveFees * settleFeeLamports) await this.#bring(channel);
    return false;
  }

  /** Pays out what is released, if that is more than it costs. */
  async settle(channel: ServedChannel): Promise<void> {
    if (channel.dueLamports > settleFeeLamports) await this.#bring(channel);
  }

  /** Shows the chain every acknowledgement that it lacks. */
  async #bring(channel: ServedChannel): Promise<void> {
    const { escrow, onNews } = this.#components;
    const { account, dueLamports, unsettledAcks } = channel;
    for (const ack of unsettledAcks) await escrow.settleChannel(account, ack);
    if (unsettledAcks.length === 0) return;
    const seen = await escrow.channel(account.address);
    if (seen !== null) channel.seen(seen);
    if (dueLamports > 0n) onNews({ channel: channel.id, state: 'settled', lamports: dueLamports });
  }

  async #requestClose(channel: ServedChannel, mayClose: boolean): Promise<boolean> {
    await this.#bring(channel);
    if (!mayClose) return false;
    await this.#components.escrow.requestCloseChannel(channel.account);
    this.#components.onNews({ channel: channel.id, state: 'closing', lamports: 0n });
    return false;
  }
}

/** Runs what closes the account; another side may have been faster. */
async function ended(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof RefusedError) || error.refusal !== 'NoAccount') throw error;
  }
  return true;
}
