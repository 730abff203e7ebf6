import { messageOf } from '../../../errors.ts';
import { fromHex } from '../../../lib/bytes.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import type { ChannelTotals } from '../../../proofs/payment/channel-state.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { type ChallengeConsent, challengeCost, isSilent } from '../chain-challenge.ts';
import type { BrokenOff, CheckedAnswer, EscrowHold, Settlement, WindowLeft } from '../payments.ts';
import type { WalletChannels } from './channels.ts';
import type { ChannelPlace } from './open-channel.ts';

export interface ChannelHoldComponents {
  readonly channels: WalletChannels;
  readonly mayChallenge: ChallengeConsent;
  /** Lamports that the account of the evidence holds until it is closed. */
  readonly evidenceRent: (options: AbortOptions) => Promise<bigint>;
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
  #isChallenged = false;

  /** @param address of the channel's account */
  constructor(components: ChannelHoldComponents, place: ChannelPlace, chain: string, address: Uint8Array) {
    this.totals = place;
    this.#components = components;
    this.#chain = chain;
    this.#address = address;
  }

  get standing(): Settlement {
    if (this.#conclusion === null) return this.#settlement('open');
    if (this.#isChallenged) return this.#settlement('challenged');
    return this.#settlement(this.#hasFailed ? 'withheld' : 'released');
  }

  async window(): Promise<WindowLeft> {
    return { submitted: false, leftMs: windowMs };
  }

  release({ assessment, verdictDigest }: Omit<CheckedAnswer, 'receipt'>): Promise<ChannelTotals | null> {
    return this.#conclude(assessment.result === 'fail' ? verdictDigest : null);
  }

  async settle(result: CheckedAnswer, options: AbortOptions = {}): Promise<Settlement> {
    await this.release(result);
    if (this.#hasFailed && isSilent(result.receipt, result.assessment)) await this.#challenge(result.receipt, options);
    return this.standing;
  }

  /** Never throws: what is committed is not released in any case. */
  async #challenge({ tokens }: Receipt, options: AbortOptions): Promise<void> {
    const { channels, mayChallenge, evidenceRent, logger } = this.#components;
    try {
      const cost = challengeCost(tokens.length, await evidenceRent(options));
      if (!(await mayChallenge(cost, options))) return;
      this.#isChallenged = true;
      await channels.challenge(this.totals, options);
    } catch (error) {
      logger.warn('an answer could not be challenged on the chain yet', { reason: messageOf(error) });
    }
  }

  async abandon({ head, fault }: BrokenOff): Promise<Settlement> {
    const failed = fault === null ? null : sha256(head?.body ?? fromHex(this.totals.channel.id));
    // The stream is gone: another one takes the totals.
    await this.#conclude(failed);
    this.delivered(false);
    return this.standing;
  }

  delivered(isSent: boolean): void {
    this.#components.channels.delivered(this.totals, isSent);
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

  #settlement(state: 'open' | 'released' | 'withheld' | 'challenged'): Settlement {
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
