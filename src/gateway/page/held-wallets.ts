import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, QvacError } from '../../errors.ts';
import { addressText, parseAddress } from '../../escrow/addresses.ts';
import type { Escrow, WalletKey } from '../../escrow/escrow.ts';
import { anySignal } from '../../lib/abort.ts';
import { isMissing } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import { createSharedOpening } from '../../lib/shared-runs.ts';
import type { AbortOptions, ChannelId } from '../../lib/types.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import type { ChannelNews, WalletChannels } from '../../node/payment/channel/channels.ts';
import { type ChannelParts, createEscrowPayments } from '../../node/payment/escrow-payments.ts';
import type { ClientPayments } from '../../node/payment/payments.ts';
import { decodeAddress } from '../../protocol/base58.ts';
import { type EndedChannel, type PageChannel, pageChannelOf } from './page-channels.ts';
import { openPageEscrow, withoutSigning } from './page-escrow.ts';
import type { Signatures } from './signatures.ts';

export interface HeldWalletsComponents {
  readonly openEscrow: (wallet: WalletKey, options: AbortOptions) => Promise<Escrow>;
  readonly receipts: Pick<ReceiptStore, 'get' | 'settle'>;
  /** @default null: each answer has an account of its own */
  readonly channels?: Pick<ChannelParts, 'peer' | 'reach' | 'clock'> | null | undefined;
  readonly signatures: Signatures;
  readonly logger: Logger;
}

export interface HeldWalletsInit {
  /** Folder for payments that are locked and not settled. */
  readonly dir: string;
  /** Folder for channels that have not ended, with a folder for each wallet. */
  readonly channelDir: string;
  /** Interval of going on with channels that are being closed or expire, ms. @default 10_000 */
  readonly sweepMs?: number | undefined;
}

/** A wallet's channels whose totals this gateway holds. */
export interface WalletChannelsView {
  readonly channels: readonly PageChannel[];
  /** Those that have ended since the gateway started. */
  readonly ended: readonly EndedChannel[];
}

/** The payments of one browser wallet. */
export interface HeldWallet {
  readonly payments: ClientPayments;
  readonly open: (options: AbortOptions) => Promise<Escrow>;
}

interface Held extends HeldWallet {
  /** Newest first. */
  ended: readonly EndedChannel[];
  /** Channels with a step under way. */
  readonly closing: Set<string>;
  /** Whether it may have channels that have not ended. */
  hasChannels: boolean;
}

/** How many wallets keep their payments open. */
const maxWallets = 32;
/** How many channels of a wallet that have ended are remembered. */
const maxEnded = 8;
const defaultSweepMs = 10_000;
/** Each page limits its deposits itself. */
const unlimited = 2n ** 64n - 1n;

/** The browser wallets that pages connected, with their channels. */
export class HeldWallets {
  readonly #components: HeldWalletsComponents;
  readonly #init: HeldWalletsInit;
  readonly #held = new Map<string, Held>();
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #isSweeping = false;

  constructor(components: HeldWalletsComponents, init: HeldWalletsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Goes on with channels, as far as no wallet has to sign, now and from time to time. Never throws. */
  async start(): Promise<void> {
    if (this.#components.channels == null) return;
    this.#timer ??= setInterval(() => void this.#sweep(), this.#init.sweepMs ?? defaultSweepMs).unref();
    await this.#sweep();
  }

  async stop(reason: Error): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#end.abort(reason);
    await Promise.all([...this.#held.values()].map(({ payments }) => payments.stop()));
  }

  /** @throws QvacError E_USAGE if it is not an address, E_BUSY if too many wallets have open channels */
  of(address: string): HeldWallet {
    return this.#of(address);
  }

  /** @param now unix ms of the chain. @throws QvacError as of `of`; E_CHAIN, E_HOME */
  async channelsOf(address: string, now: number, options: AbortOptions): Promise<WalletChannelsView> {
    const held = this.#of(address);
    const listed = (await (await channelsIn(held, options))?.list()) ?? [];
    const newest = listed.toSorted((a, b) => (b.account?.openedAt ?? 0) - (a.account?.openedAt ?? 0));
    return { channels: newest.flatMap((each) => pageChannelOf(each, now) ?? []), ended: held.ended };
  }

  /** As of `PageWallets`. */
  async closeChannel(address: string, channel: string, options: AbortOptions): Promise<void> {
    // It becomes part of a path.
    if (!/^[0-9a-f]{64}$/.test(channel))
      throw new QvacError('E_NOT_FOUND', 'expected the id of a channel: 64 hex digits');
    const held = this.#of(address);
    if (held.closing.has(channel)) return;
    held.closing.add(channel);
    try {
      const signal = anySignal(this.#end.signal, options.signal);
      await (await channelsIn(held, { signal }))?.close(channel as ChannelId, { signal });
    } finally {
      held.closing.delete(channel);
    }
  }

  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      for (const address of await walletsIn(this.#init.channelDir)) await this.#resume(address);
    } catch (error) {
      this.#components.logger.warn('the channels of browser wallets are not looked after', {
        reason: messageOf(error),
      });
    } finally {
      this.#isSweeping = false;
    }
  }

  /** Never throws. */
  async #resume(address: string): Promise<void> {
    const { signal } = this.#end;
    try {
      const hasChannels = await hasNotes(join(this.#init.channelDir, address));
      // The folder stays when its last channel has ended: it takes no other wallet's place.
      const held = hasChannels ? this.#of(address) : this.#held.get(address);
      if (held !== undefined) held.hasChannels = hasChannels;
      // A step that waits for the wallet goes on by itself.
      if (held === undefined || !hasChannels || held.closing.size > 0) return;
      await withoutSigning(async () => (await channelsIn(held, { signal }))?.resume({ signal }));
    } catch (error) {
      const facts = { wallet: address, reason: messageOf(error) };
      if (!signal.aborted) this.#components.logger.warn('the channels of a browser wallet wait', facts);
    }
  }

  #of(address: string): Held {
    const held = this.#held.get(address) ?? this.#make(address);
    if (!this.#held.delete(address) && this.#held.size >= maxWallets) this.#dropOne();
    // In the order of their last use.
    this.#held.set(address, held);
    return held;
  }

  #make(address: string): Held {
    const { openEscrow, receipts, channels = null, signatures, logger } = this.#components;
    const publicKey = parseAddress(address, 'wallet');
    const open = createSharedOpening((options) =>
      openPageEscrow((wallet) => openEscrow(wallet, options), signatures, publicKey),
    );
    const onNews = (news: ChannelNews): void => {
      made.hasChannels = true;
      if (news.outcome !== null) made.ended = [news, ...made.ended].slice(0, maxEnded);
    };
    const parts: ChannelParts | null = channels && {
      ...channels,
      dir: join(this.#init.channelDir, addressText(publicKey)),
      // The page names its own policy. Each deposit is signed for, so none is raised before it is needed.
      policy: { pay: 'job', maxDepositLamports: unlimited, refillsAhead: false },
      onNews,
    };
    // An answer that passed needs no signature: its provider has itself paid once the time for a rejection is over.
    const payments = createEscrowPayments(
      { openEscrow: open, receipts, channels: parts, logger },
      { dir: this.#init.dir, confirms: false },
    );
    const made: Held = { open, payments, ended: [], closing: new Set(), hasChannels: false };
    return made;
  }

  /**
   * Forgets the wallet that was unused for longest. Those with a channel stay, since this process holds its lock, and
   * so do those with a step or a signature under way.
   */
  #dropOne(): void {
    const { signatures } = this.#components;
    const idle = [...this.#held].find(
      ([address, { hasChannels, closing }]) =>
        !hasChannels && closing.size === 0 && signatures.pendingOf(address).length === 0,
    );
    if (idle === undefined)
      throw new QvacError('E_BUSY', `${maxWallets} browser wallets are in use here`, {
        hint: 'close some of their channels',
      });
    this.#held.delete(idle[0]);
  }
}

async function channelsIn({ payments }: HeldWallet, options: AbortOptions): Promise<WalletChannels | null> {
  return (await payments.open(options)).channels ?? null;
}

/** The addresses of the wallets that have a folder for channels. */
const walletsIn = async (dir: string): Promise<readonly string[]> =>
  (await namesIn(dir)).filter((name) => decodeAddress(name) !== null);

/** Whether a folder for channels holds anything but locks. */
const hasNotes = async (dir: string): Promise<boolean> =>
  (await namesIn(dir)).some((name) => /^[0-9a-f]{64}\./.test(name) && !name.endsWith('.lock'));

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
