import { messageOf, QvacError } from '../../../errors.ts';
import { anySignal, settledWithin } from '../../../lib/abort.ts';
import { fromHex, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, ChannelId } from '../../../lib/types.ts';
import { ChannelCloser, type ChannelCloserComponents, type ClosingStep } from './channel-closer.ts';
import { type ChannelOpenerComponents, openChannel } from './channel-opener.ts';
import type {
  ChannelNews,
  ChannelPolicy,
  ListedChannel,
  WalletChannels,
  WantedChannel,
  WantedPlace,
} from './channels.ts';
import { answersBeforeChannel, answersPerDeposit, closeWaitMs, refusalLifeMs } from './constants.ts';
import { type Held, HeldChannels } from './held-channels.ts';
import { isLeft } from './kept-channel.ts';
import type { ChannelPlace, OpenChannel } from './open-channel.ts';

export interface ClientChannelsComponents
  extends ChannelCloserComponents,
    Pick<ChannelOpenerComponents, 'escrow' | 'peer'> {
  readonly escrow: ChannelOpenerComponents['escrow'];
  readonly clock: Clock;
}

export interface ClientChannelsInit {
  /** Folder of the channels that have not ended. */
  readonly dir: string;
  readonly policy: ChannelPolicy;
  readonly onNews?: ((news: ChannelNews) => void) | undefined;
}

export function createClientChannels(components: ClientChannelsComponents, init: ClientChannelsInit): WalletChannels {
  return new ClientChannels(components, init);
}

class ClientChannels implements WalletChannels {
  readonly #components: ClientChannelsComponents;
  readonly #init: ClientChannelsInit;
  readonly #held: HeldChannels;
  readonly #closer: ChannelCloser;
  /** By the provider's key in hex. */
  readonly #opening = new Map<string, Promise<OpenChannel>>();
  /** Answers that were paid from accounts of their own. */
  readonly #answers = new Map<string, number>();
  /** Until when a provider is paid by jobs, by this machine's clock. */
  readonly #avoided = new Map<string, number>();
  /** The deposits that are being raised. */
  readonly #refills = new Map<ChannelId, Promise<void>>();
  /** Why channels were not closed, as it was logged last. */
  readonly #logged = new Map<ChannelId, string>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #end = new AbortController();
  /** What the chain's time is ahead of this machine's, ms; null before it was asked. */
  #aheadMs: number | null = null;

  constructor(components: ClientChannelsComponents, init: ClientChannelsInit) {
    this.#components = components;
    this.#init = init;
    this.#held = new HeldChannels(components, init.dir);
    this.#closer = new ChannelCloser(components);
  }

  async place(wanted: WantedPlace, options: AbortOptions = {}): Promise<ChannelPlace | null> {
    const policy = wanted.policy ?? this.#init.policy.pay;
    if (policy === 'job' || wanted.amountLamports === 0n) return null;
    if (policy === 'channel') {
      const place = await this.#place(wanted, options);
      if (place === null) throw this.#noPlace(wanted);
      return place;
    }
    if ((this.#avoided.get(toHex(wanted.key)) ?? 0) > this.#components.clock.now()) return null;
    try {
      return await this.#place(wanted, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof QvacError)) throw error;
      this.avoid(wanted.key);
      this.#components.logger.info('no channel is used', { provider: wanted.provider, reason: error.message });
      return null;
    }
  }

  async #place(wanted: WantedPlace, options: AbortOptions): Promise<ChannelPlace | null> {
    const { key, amountLamports } = wanted;
    const channel = this.#held.of(key) ?? (await this.#find(key)) ?? (await this.#openFor(wanted, options));
    if (channel === null || !channel.takesAnother(await this.#now(options))) return null;
    if (channel.leftLamports < amountLamports) await this.#refill(channel, wanted, options);
    // Once the next answer may not fit, the deposit is raised while this one is written.
    else if (channel.leftLamports < 2n * amountLamports && (this.#init.policy.refillsAhead ?? true))
      this.#run(() => this.#refill(channel, wanted, { signal: this.#end.signal }));
    return channel.leftLamports < amountLamports ? null : channel.reserve(amountLamports);
  }

  #noPlace({ key, provider, amountLamports }: WantedPlace): QvacError {
    const channel = this.#held.of(key);
    const hint = 'use --pay auto or --pay job';
    const what = `the channel with ${shortPeer(provider)}`;
    if (channel === null || channel.kept.phase !== 'open' || channel.hasFailed)
      return new QvacError('E_ESCROW', `${what} is being closed`, { hint });
    if (channel.leftLamports >= amountLamports)
      return new QvacError('E_BUSY', `${what} pays for no further answer at once`, { hint });
    const message = `${what} has ${channel.leftLamports} lamports left, the answer may cost ${amountLamports}`;
    return new QvacError('E_LIMIT', message, { hint: 'raise --deposit, or use --pay auto or --pay job' });
  }

  paidByJob(key: Uint8Array): void {
    const provider = toHex(key);
    this.#answers.set(provider, (this.#answers.get(provider) ?? 0) + 1);
  }

  avoid(key: Uint8Array): void {
    this.#avoided.set(toHex(key), this.#components.clock.now() + refusalLifeMs);
  }

  /** A channel that an earlier process left open, and that no other process holds. */
  async #find(key: Uint8Array): Promise<OpenChannel | null> {
    for (const { id, kept, terms } of await this.#held.others()) {
      const isOpen = kept.phase === 'open' && toHex(terms.provider) === toHex(key);
      const taken = isOpen ? await this.#held.take(id) : null;
      if (taken === null) continue;
      try {
        if (await this.#adopt(taken)) return taken.channel;
      } finally {
        await this.#held.giveBack(taken);
      }
    }
    return null;
  }

  /** Goes on with a channel of an earlier process. @returns false if it has ended, or is being closed */
  async #adopt(taken: Held): Promise<boolean> {
    const { channel } = taken;
    const { escrow } = this.#components;
    const { signal } = this.#end;
    const account = await escrow.channel(escrow.channelAddress(fromHex(channel.id)), { signal });
    if (account === null || account.closing !== null || channel.kept.phase !== 'open') return false;
    const released = await this.#closer.decide(channel);
    if (released !== null) await this.#closer.tell(channel, released, { signal });
    this.#held.keep(taken);
    return true;
  }

  /** Opens a channel for the sake of one answer, if the provider deserves it. */
  async #openFor(wanted: WantedPlace, options: AbortOptions): Promise<OpenChannel | null> {
    const { pay, keeps = false } = this.#init.policy;
    const most = this.#maxDepositOf(wanted);
    const provider = toHex(wanted.key);
    const isAsked = (wanted.policy ?? pay) === 'channel';
    if (!isAsked && (this.#answers.get(provider) ?? 0) < answersBeforeChannel) return null;
    const { amountLamports } = wanted;
    const depositLamports = smaller(answersPerDeposit * amountLamports, most);
    // A channel for a single answer saves nothing.
    if (!isAsked && depositLamports < 2n * amountLamports) return null;
    if (depositLamports < amountLamports)
      throw new QvacError('E_LIMIT', `the answer may cost ${amountLamports} lamports, a deposit is ${most} at most`, {
        hint: 'raise --deposit, or use --pay job',
      });
    const channel = { ...wanted, depositLamports, windowLamports: amountLamports, isKept: keeps };
    const opening = this.#opening.get(provider) ?? this.open(channel, options);
    this.#opening.set(provider, opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(provider);
    }
  }

  #maxDepositOf({ maxDepositLamports }: WantedPlace): bigint {
    const { maxDepositLamports: most } = this.#init.policy;
    return maxDepositLamports === undefined ? most : smaller(maxDepositLamports, most);
  }

  async open(wanted: WantedChannel, options: AbortOptions = {}): Promise<OpenChannel> {
    const tell = (channel: OpenChannel, state: 'opening' | 'opened'): void =>
      this.#tell(channel, { state, at: Number(channel.terms.expiresAt) * 1_000 });
    const onOpening = (channel: OpenChannel): void => tell(channel, 'opening');
    const { channel } = await openChannel({ ...this.#components, held: this.#held, onOpening }, wanted, options);
    tell(channel, 'opened');
    return channel;
  }

  list(): Promise<readonly ListedChannel[]> {
    return this.#held.list();
  }

  async topUp(id: ChannelId, lamports: bigint, options: AbortOptions = {}): Promise<OpenChannel> {
    const held = await this.#held.need(id);
    try {
      await this.#topUp(held.channel, lamports, options);
      return held.channel;
    } finally {
      await this.#held.giveBack(held);
    }
  }

  async close(id: ChannelId, options: AbortOptions = {}): Promise<ChannelNews> {
    const held = await this.#held.need(id);
    try {
      return await this.#close(held.channel, options);
    } finally {
      await this.#held.giveBack(held);
    }
  }

  async resume(options: AbortOptions = {}): Promise<readonly ChannelNews[]> {
    const news: ChannelNews[] = [];
    const now = await this.#now(options, true);
    // A channel that cannot be closed now must not keep the others open.
    const closeIfPossible = async (channel: OpenChannel): Promise<void> => {
      try {
        news.push(await this.#close(channel, options));
      } catch (error) {
        options.signal?.throwIfAborted();
        this.#logOpen(channel, messageOf(error));
      }
    };
    for (const { channel } of this.#held.all) {
      const isDue = channel.kept.phase === 'closing' || channel.hasFailed || channel.isExpiring(now);
      if (isDue && !channel.isBusy) await closeIfPossible(channel);
    }
    for (const { id, kept } of await this.#held.others()) {
      const taken = isLeft(kept, now) ? await this.#held.take(id) : null;
      if (taken === null) continue;
      await closeIfPossible(taken.channel).finally(() => this.#held.giveBack(taken));
    }
    return news;
  }

  /** A channel may stay as it is for hours: each reason is logged once. */
  #logOpen({ id }: OpenChannel, reason: string): void {
    if (this.#logged.get(id) === reason) return;
    this.#logged.set(id, reason);
    this.#components.logger.warn('a channel is not closed yet', { channel: id, reason });
  }

  async stop(): Promise<void> {
    const signal = AbortSignal.timeout(closeWaitMs);
    for (const { channel, release } of this.#held.all) {
      const isEnding = !channel.kept.isKept && !channel.isBusy;
      const failed = (error: unknown): void =>
        this.#components.logger.info('a channel is not closed yet', { channel: channel.id, reason: messageOf(error) });
      if (isEnding) await this.#close(channel, { signal }).catch(failed);
      await release();
    }
    await settledWithin(Promise.allSettled(this.#background), closeWaitMs);
    this.#end.abort(new Error('stopping'));
  }

  /** One step towards the end of a channel; told to the person if it is a new one. */
  async #close(channel: OpenChannel, options: AbortOptions): Promise<ChannelNews> {
    if (channel.isBusy)
      throw new QvacError('E_BUSY', `answers are paid from channel ${channel.id.slice(0, 8)} now`, {
        hint: 'try again once they have ended',
      });
    const wasClosing = channel.kept.phase === 'closing';
    const step = await this.#closer.step(channel, await this.#now(options, true), options);
    const news = { ...newsOf(channel), ...endOf(step) };
    if (step.kind === 'ended') {
      // The note is removed last: after a crash in between, a later process repeats this.
      if (channel.kept.hasEvidence) await this.#closer.clear(channel, options);
      await this.#held.remove(channel);
      this.#logged.delete(channel.id);
    }
    if (step.kind === 'ended' || !wasClosing) this.#init.onNews?.(news);
    return news;
  }

  /** Raises the deposit for further answers, within the limit. */
  async #refill(channel: OpenChannel, wanted: WantedPlace, options: AbortOptions): Promise<void> {
    const { amountLamports } = wanted;
    const room = this.#maxDepositOf(wanted) - channel.depositLamports;
    const lamports = smaller(answersPerDeposit * amountLamports, room);
    if (lamports <= 0n || channel.leftLamports + lamports < amountLamports) return;
    const running = this.#refills.get(channel.id) ?? this.#topUp(channel, lamports, options);
    this.#refills.set(channel.id, running);
    try {
      await running;
    } finally {
      this.#refills.delete(channel.id);
    }
  }

  async #topUp(channel: OpenChannel, lamports: bigint, options: AbortOptions): Promise<void> {
    const { escrow } = this.#components;
    const address = escrow.channelAddress(fromHex(channel.id));
    const key = { address, payer: escrow.wallet, provider: channel.terms.authority };
    const { fee } = await escrow.topUpChannel(key, lamports, options);
    const account = await escrow.channel(address, options);
    await channel.toppedUp(account?.deposit ?? channel.depositLamports + lamports, fee);
    this.#tell(channel, { state: 'topped-up', at: Number(channel.terms.expiresAt) * 1_000 });
  }

  async challenge({ channel, jobId }: ChannelPlace, options: AbortOptions = {}): Promise<void> {
    if (jobId === null) return;
    await channel.challenged(jobId, { isChallenged: true });
    if (!channel.isBusy) await this.#close(channel, options);
  }

  tellTotals({ channel, jobId }: ChannelPlace): void {
    if (jobId !== null) this.#run(() => this.#closer.tell(channel, jobId, { signal: this.#end.signal }));
  }

  #run(work: () => Promise<unknown>): void {
    const running = work().catch((error: unknown) => {
      if (!this.#end.signal.aborted)
        this.#components.logger.warn('a channel could not be changed', { reason: messageOf(error) });
    });
    this.#background.add(running);
    void running.finally(() => this.#background.delete(running));
  }

  async #now({ signal }: AbortOptions, isExact = false): Promise<number> {
    const { escrow, clock } = this.#components;
    const limit = anySignal(signal, this.#end.signal);
    if (isExact || this.#aheadMs === null) this.#aheadMs = (await escrow.now({ signal: limit })) - clock.now();
    return clock.now() + this.#aheadMs;
  }

  #tell(channel: OpenChannel, change: Pick<ChannelNews, 'state' | 'at'>): void {
    this.#init.onNews?.({ ...newsOf(channel), ...change, outcome: null });
  }
}

function newsOf({
  id,
  provider,
  depositLamports,
  totals,
  kept,
}: OpenChannel): Omit<ChannelNews, 'state' | 'at' | 'outcome'> {
  const { committedLamports, releasedLamports } = totals;
  const heldLamports = committedLamports - releasedLamports;
  const { answers, fees } = kept;
  return { channel: id, provider, depositLamports, releasedLamports, heldLamports, answers, fees };
}

function endOf(step: ClosingStep): Pick<ChannelNews, 'state' | 'at' | 'outcome'> {
  if (step.kind === 'waiting') return { state: step.isRequested ? 'requested' : 'closing', at: step.at, outcome: null };
  const { outcome, wasOpen } = step;
  return { state: outcome?.how ?? (wasOpen ? 'gone' : 'unopened'), at: outcome?.at ?? null, outcome };
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
