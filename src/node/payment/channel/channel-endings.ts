import { messageOf } from '../../../errors.ts';
import { createTurns } from '../../../lib/in-turn.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, ChannelId } from '../../../lib/types.ts';
import type { ChainTime } from './chain-time.ts';
import type { ChannelCloser } from './channel-closer.ts';
import { endOf, newsOf } from './channel-news.ts';
import type { ChannelNews } from './channels.ts';
import { maxEndings } from './constants.ts';
import type { HeldChannels } from './held-channels.ts';
import { isLeft } from './kept-channel.ts';
import type { OpenChannel } from './open-channel.ts';

export interface ChannelEndingsComponents {
  readonly held: HeldChannels;
  readonly closer: ChannelCloser;
  readonly time: ChainTime;
  readonly logger: Logger;
}

/** Ends channels: those that a person closes, and those that earlier processes left or that expire. */
export class ChannelEndings {
  readonly #components: ChannelEndingsComponents;
  readonly #onNews: ((news: ChannelNews) => void) | undefined;
  /** Calls take turns, since each takes channels into its hands. */
  readonly #inTurn = createTurns();
  /** How channels ended that this process closed, the newest last. */
  readonly #ended = new Map<ChannelId, ChannelNews>();
  /** Why channels were not closed, as it was logged last. */
  readonly #logged = new Map<ChannelId, string>();

  constructor(components: ChannelEndingsComponents, onNews: ((news: ChannelNews) => void) | undefined) {
    this.#components = components;
    this.#onNews = onNews;
  }

  /** As of `WalletChannels`. */
  close(id: ChannelId, options: AbortOptions): Promise<ChannelNews> {
    return this.#inTurn(() => this.#closeOne(id, options));
  }

  async #closeOne(id: ChannelId, options: AbortOptions): Promise<ChannelNews> {
    // What this process does in the background may have ended it meanwhile.
    const ended = this.#ended.get(id);
    if (ended !== undefined) return ended;
    const held = await this.#components.held.need(id);
    try {
      return await this.step(held.channel, options);
    } finally {
      await this.#components.held.giveBack(held);
    }
  }

  /** As of `WalletChannels`. */
  resume(options: AbortOptions): Promise<readonly ChannelNews[]> {
    return this.#inTurn(() => this.#resume(options));
  }

  async #resume(options: AbortOptions): Promise<readonly ChannelNews[]> {
    const news: ChannelNews[] = [];
    const now = await this.#components.time.now(options, true);
    // A channel that cannot be closed now must not keep the others open.
    const stepIfPossible = async (channel: OpenChannel): Promise<void> => {
      try {
        news.push(await this.step(channel, options));
      } catch (error) {
        options.signal?.throwIfAborted();
        this.#logOpen(channel, messageOf(error));
      }
    };
    for (const { channel } of this.#components.held.all) {
      const isDue = channel.kept.phase === 'closing' || channel.hasFailed || channel.isExpiring(now);
      if (isDue && !channel.isBusy) await stepIfPossible(channel);
    }
    for (const { id, kept } of await this.#components.held.others()) {
      const taken = isLeft(kept, now) ? await this.#components.held.take(id) : null;
      if (taken === null) continue;
      await stepIfPossible(taken.channel).finally(() => this.#components.held.giveBack(taken));
    }
    return news;
  }

  /** A channel may stay as it is for hours: each reason is logged once. */
  #logOpen({ id }: OpenChannel, reason: string): void {
    if (this.#logged.get(id) === reason) return;
    this.#logged.set(id, reason);
    this.#components.logger.warn('a channel is not closed yet', { channel: id, reason });
  }

  /**
   * One step towards the end of a channel; told to the person if it is a new one.
   * @throws QvacError E_BUSY while answers are paid from it, E_CHAIN, E_FUNDS, E_HOME
   */
  async step(channel: OpenChannel, options: AbortOptions): Promise<ChannelNews> {
    const wasClosing = channel.kept.phase === 'closing';
    const step = await this.#components.closer.step(channel, await this.#components.time.now(options, true), options);
    const news = { ...newsOf(channel), ...endOf(step) };
    if (step.kind === 'ended') {
      // The note is removed last: after a crash in between, a later process repeats this.
      if (channel.kept.hasEvidence) await this.#components.closer.clear(channel, options);
      await this.#components.held.remove(channel);
      this.#logged.delete(channel.id);
      this.#note(news);
    }
    if (step.kind === 'ended' || !wasClosing) this.#onNews?.(news);
    return news;
  }

  #note(news: ChannelNews): void {
    const [oldest] = this.#ended.keys();
    if (this.#ended.size >= maxEndings && oldest !== undefined) this.#ended.delete(oldest);
    this.#ended.set(news.channel, news);
  }
}
