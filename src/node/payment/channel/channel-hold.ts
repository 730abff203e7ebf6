import { messageOf } from '../../../errors.ts';
import { fromHex } from '../../../lib/bytes.ts';
import type { Logger } from '../../../lib/log.ts';
import type { ChannelTotals } from '../../../proofs/payment/channel-state.ts';
import { sha256 } from '../../../protocol/digests.ts';
import type { BrokenOff, CheckedAnswer, EscrowHold, Settlement, WindowLeft } from '../payments.ts';
import type { WalletChannels } from './channels.ts';
import type { ChannelPlace } from './open-channel.ts';

export interface ChannelHoldComponents {
  readonly channels: WalletChannels;
  readonly logger: Logger;
}

/** Nothing on the chain limits the time for the checks of an answer in a channel: it is released after them. */
const windowMs = 86_400_000;

/** The payment of one answer from a channel: its price is released once it passed, and never if it failed. */
export class ChannelHold implements EscrowHold {
  readonly totals: ChannelPlace;
  readonly #components: ChannelHoldComponents;
  readonly #chain: string;
  readonly #address: Uint8Array;
  #conclusion: Promise<ChannelTotals | null> | null = null;
  #hasFailed = false;

  /** @param address of the channel's account */
  constructor(components: ChannelHoldComponents, place: ChannelPlace, chain: string, address: Uint8Array) {
    this.totals = place;
    this.#components = components;
    this.#chain = chain;
    this.#address = address;
  }

  get standing(): Settlement {
    return this.#settlement(this.#conclusion === null ? 'open' : this.#hasFailed ? 'withheld' : 'released');
  }

  async window(): Promise<WindowLeft> {
    return { submitted: false, leftMs: windowMs };
  }

  release({ assessment, verdictDigest }: Omit<CheckedAnswer, 'receipt'>): Promise<ChannelTotals | null> {
    return this.#conclude(assessment.result === 'fail' ? verdictDigest : null);
  }

  async settle(result: CheckedAnswer): Promise<Settlement> {
    await this.release(result);
    return this.standing;
  }

  async abandon({ head, fault }: BrokenOff): Promise<Settlement> {
    const failed = fault === null ? null : sha256(head?.body ?? fromHex(this.totals.channel.id));
    // The stream is gone: another one takes the totals.
    if ((await this.#conclude(failed)) !== null) this.tell();
    return this.standing;
  }

  tell(): void {
    this.#components.channels.tellTotals(this.totals);
  }

  /** Once. Never rejects: totals that cannot be kept are not sent. */
  #conclude(failed: Uint8Array | null): Promise<ChannelTotals | null> {
    this.#hasFailed = failed !== null && this.totals.committedLamports > 0n;
    this.#conclusion ??= this.totals.conclude(failed).catch((error: unknown) => {
      this.#components.logger.warn('a channel could not be kept', { reason: messageOf(error) });
      return null;
    });
    return this.#conclusion;
  }

  #settlement(state: 'open' | 'released' | 'withheld'): Settlement {
    const { channel, committedLamports, amountLamports } = this.totals;
    const { depositLamports, underWayLamports, leftLamports } = channel;
    return {
      state,
      chain: this.#chain,
      account: this.#address,
      locked: amountLamports,
      paid: state === 'released' ? committedLamports : 0n,
      refunded: 0n,
      burnt: state === 'withheld' ? committedLamports : 0n,
      compensation: 0n,
      fees: 0n,
      signature: null,
      dueAt: null,
      channel: { id: channel.id, deposit: depositLamports, left: leftLamports, underWay: underWayLamports },
    };
  }
}
