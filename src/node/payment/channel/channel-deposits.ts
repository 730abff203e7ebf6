import type { Escrow } from '../../../escrow/escrow.ts';
import { smaller } from '../../../lib/bigints.ts';
import { fromHex } from '../../../lib/bytes.ts';
import type { AbortOptions, ChannelId } from '../../../lib/types.ts';
import { answersPerDeposit } from './constants.ts';
import type { OpenChannel } from './open-channel.ts';

export interface ChannelDepositsComponents {
  /** With the wallet that pays. */
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  readonly onRaised: (channel: OpenChannel) => void;
}

export interface RefillLimits {
  /** What a further answer can cost. */
  readonly amountLamports: bigint;
  /** The most that may be deposited in the channel. */
  readonly maxDepositLamports: bigint;
}

/** Raises the deposits of channels. */
export class ChannelDeposits {
  readonly #components: ChannelDepositsComponents;
  /** The deposits that are being raised. */
  readonly #refills = new Map<ChannelId, Promise<void>>();

  constructor(components: ChannelDepositsComponents) {
    this.#components = components;
  }

  /**
   * Raises a deposit for further answers of this price, within the limit; does nothing if that does not cover one.
   * @throws QvacError E_FUNDS, E_CHAIN, E_ESCROW, E_HOME
   */
  async refill(
    channel: OpenChannel,
    { amountLamports, maxDepositLamports }: RefillLimits,
    options: AbortOptions,
  ): Promise<void> {
    const room = maxDepositLamports - channel.depositLamports;
    const lamports = smaller(answersPerDeposit * amountLamports, room);
    if (lamports <= 0n || channel.leftLamports + lamports < amountLamports) return;
    const running = this.#refills.get(channel.id) ?? this.raise(channel, lamports, options);
    this.#refills.set(channel.id, running);
    try {
      await running;
    } finally {
      this.#refills.delete(channel.id);
    }
  }

  /** Adds to a deposit, whatever the limit. @throws as `refill` */
  async raise(channel: OpenChannel, lamports: bigint, options: AbortOptions): Promise<void> {
    const { escrow, onRaised } = this.#components;
    const address = escrow.channelAddress(fromHex(channel.id));
    const key = { address, payer: escrow.wallet, provider: channel.terms.authority };
    const { fee } = await escrow.topUpChannel(key, lamports, options);
    const account = await escrow.channel(address, options);
    await channel.toppedUp(account?.deposit ?? channel.depositLamports + lamports, fee);
    onRaised(channel);
  }
}
