import type { Escrow } from '../../../escrow/escrow.ts';
import { larger, smaller } from '../../../lib/bigints.ts';
import { fromHex } from '../../../lib/bytes.ts';
import { createSharedRuns } from '../../../lib/shared-runs.ts';
import type { AbortOptions, ChannelId } from '../../../lib/types.ts';
import type { ChannelPolicy, WantedPlace } from './channels.ts';
import { answersPerDeposit } from './constants.ts';
import type { OpenChannel } from './open-channel.ts';

export interface ChannelDepositsComponents {
  /** With the wallet that pays. */
  readonly escrow: Escrow & { readonly wallet: Uint8Array };
  readonly onRaised: (channel: OpenChannel) => void;
}

/** Raises the deposits of channels. */
export class ChannelDeposits {
  readonly #components: ChannelDepositsComponents;
  readonly #policy: Pick<ChannelPolicy, 'maxDepositLamports'>;
  /** The deposits that are being raised. */
  readonly #refills = createSharedRuns<void>();
  /** Channels whose deposit may be larger than is known: the chain did not say how the last raise ended. */
  readonly #unsure = new Set<ChannelId>();

  constructor(components: ChannelDepositsComponents, policy: Pick<ChannelPolicy, 'maxDepositLamports'>) {
    this.#components = components;
    this.#policy = policy;
  }

  /**
   * Raises a deposit for further answers of the wanted one's price, within the limit. It doubles at least, so that a
   * long session needs few transactions.
   * @returns false, with nothing raised, if the limit does not cover one
   * @throws QvacError E_FUNDS, E_CHAIN, E_ESCROW, E_HOME
   */
  async refill(channel: OpenChannel, wanted: WantedPlace, options: AbortOptions): Promise<boolean> {
    const { amountLamports } = wanted;
    if (this.#unsure.has(channel.id)) {
      await this.#look(channel, 0n, options);
      if (channel.leftLamports >= amountLamports) return true;
    }
    const room = this.limitFor(wanted) - channel.depositLamports;
    const lamports = smaller(larger(answersPerDeposit * amountLamports, channel.depositLamports), room);
    if (lamports <= 0n || channel.leftLamports + lamports < amountLamports) return false;
    await this.#refills(channel.id, () => this.raise(channel, lamports, options), options);
    return true;
  }

  /** The most that may be deposited in the channel of an answer, lamports. */
  limitFor({ maxDepositLamports }: WantedPlace): bigint {
    const { maxDepositLamports: most } = this.#policy;
    return maxDepositLamports === undefined ? most : smaller(maxDepositLamports, most);
  }

  /** Adds to a deposit, whatever the limit. @throws as `refill` */
  async raise(channel: OpenChannel, lamports: bigint, options: AbortOptions): Promise<void> {
    const { escrow, onRaised } = this.#components;
    const address = escrow.channelAddress(fromHex(channel.id));
    const key = { address, payer: escrow.wallet, provider: channel.terms.authority };
    this.#unsure.add(channel.id);
    const { fee } = await escrow.topUpChannel(key, lamports, options);
    await this.#look(channel, fee, options);
    onRaised(channel);
  }

  /** Takes over the deposit that the chain has. */
  async #look(channel: OpenChannel, fee: bigint, options: AbortOptions): Promise<void> {
    const { escrow } = this.#components;
    const account = await escrow.channel(escrow.channelAddress(fromHex(channel.id)), options);
    await channel.toppedUp(account?.deposit ?? channel.depositLamports, fee);
    this.#unsure.delete(channel.id);
  }
}
