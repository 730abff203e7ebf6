import { messageOf, QvacError } from '../../../errors.ts';
import { anySignal, raceSignal, settledWithin } from '../../../lib/abort.ts';
import { smaller } from '../../../lib/bigints.ts';
import { fromHex, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { shortPeer } from '../../../lib/names.ts';
import { createSharedRuns } from '../../../lib/shared-runs.ts';
import type { AbortOptions, ChannelId } from '../../../lib/types.ts';
import { ChainTime } from './chain-time.ts';
import { ChannelCloser, type ChannelCloserComponents } from './channel-closer.ts';
import { ChannelDeposits } from './channel-deposits.ts';
import { ChannelEndings } from './channel-endings.ts';
import { newsOf } from './channel-news.ts';
import { type ChannelOpenerComponents, openChannel } from './channel-opener.ts';
import type {
  ChannelNews,
  ChannelPolicy,
  ListedChannel,
  PayPolicy,
  WalletChannels,
  WantedChannel,
  WantedPlace,
} from './channels.ts';
import { answersBeforeChannel, answersPerDeposit, closeWaitMs, refusalLifeMs, roomWaitMs } from './constants.ts';
import { type Held, HeldChannels } from './held-channels.ts';
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
  readonly #time: ChainTime;
  readonly #closer: ChannelCloser;
  readonly #endings: ChannelEndings;
  readonly #deposits: ChannelDeposits;
  /** By the provider's key in hex: questions at once share one channel. */
  readonly #finding = createSharedRuns<OpenChannel | null>();
  readonly #opening = createSharedRuns<OpenChannel>();
  /** Answers that were paid from accounts of their own. */
  readonly #answers = new Map<string, number>();
  /** Until when a provider is paid by jobs, by this machine's clock. */
  readonly #avoided = new Map<string, number>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #end = new AbortController();

  constructor(components: ClientChannelsComponents, init: ClientChannelsInit) {
    this.#components = components;
    this.#init = init;
    this.#held = new HeldChannels(components, init.dir);
    this.#closer = new ChannelCloser(components);
    this.#time = new ChainTime(components, this.#end.signal);
    const parts = { held: this.#held, closer: this.#closer, time: this.#time, logger: components.logger };
    this.#endings = new ChannelEndings(parts, init.onNews);
    const onRaised = (channel: OpenChannel): void => this.#tell(channel, 'topped-up');
    this.#deposits = new ChannelDeposits({ escrow: components.escrow, onRaised }, init.policy);
  }

  async place(wanted: WantedPlace, options: AbortOptions = {}): Promise<ChannelPlace | null> {
    if (this.#payOf(wanted) === 'job' || wanted.amountLamports === 0n) return null;
    if (this.#needsChannel(wanted)) {
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

  #payOf({ policy }: WantedPlace): PayPolicy {
    return policy ?? this.#init.policy.pay;
  }

  /** Whether nothing but a channel pays. */
  #needsChannel(wanted: WantedPlace): boolean {
    return this.#payOf(wanted) === 'channel' && wanted.isOpenOnly !== true;
  }

  async #place(wanted: WantedPlace, options: AbortOptions): Promise<ChannelPlace | null> {
    const { key, amountLamports, isOpenOnly = false } = wanted;
    const open = this.#held.of(key) ?? (await this.#finding(toHex(key), () => this.#find(key), options));
    const channel = open ?? (isOpenOnly ? null : await this.#openFor(wanted, options));
    if (channel === null || !channel.isUsable(await this.#time.now(options))) return null;
    if (channel.isBehind && !(await this.#closer.tell(channel, options))) return null;
    const mayRefill = !isOpenOnly;
    // Once the next answers may not fit, as many as are under way now, the deposit is raised while these are written.
    const { leftLamports, underWayLamports } = channel;
    const isLow = leftLamports >= amountLamports && leftLamports < 2n * amountLamports + underWayLamports;
    if (mayRefill && isLow && (this.#init.policy.refillsAhead ?? true))
      this.#run(() => this.#deposits.refill(channel, wanted, { signal: this.#end.signal }));
    return this.#reserve(channel, wanted, options);
  }

  /** A place, for which the end of an answer under way or a larger deposit may make room; null if nothing does. */
  async #reserve(channel: OpenChannel, wanted: WantedPlace, options: AbortOptions): Promise<ChannelPlace | null> {
    const { amountLamports, isOpenOnly = false, waitMs = roomWaitMs } = wanted;
    const limit = AbortSignal.timeout(this.#needsChannel(wanted) ? waitMs : roomWaitMs);
    for (;;) {
      if (!channel.isUsable(await this.#time.now(options))) return null;
      const changed = channel.changed();
      const isCovered = channel.leftLamports >= amountLamports;
      // In the same turn as the check: others may wait for the same room.
      if (isCovered && channel.hasRoom) return channel.reserve(amountLamports);
      if (!isCovered && !isOpenOnly && (await this.#deposits.refill(channel, wanted, options))) continue;
      // An answer may have ended meanwhile.
      if (channel.changed() !== changed) continue;
      if (!channel.isBusy || limit.aborted) return null;
      await raceSignal(changed, anySignal(limit, options.signal)).catch(() => undefined);
      options.signal?.throwIfAborted();
    }
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
    await channel.toppedUp(account.deposit, 0n);
    await this.#closer.decide(channel);
    await this.#closer.tell(channel, { signal });
    this.#held.keep(taken);
    return true;
  }

  /** Opens a channel for the sake of one answer, if the provider deserves it. */
  async #openFor(wanted: WantedPlace, options: AbortOptions): Promise<OpenChannel | null> {
    const { keeps = false, isShared = false } = this.#init.policy;
    const most = this.#deposits.limitFor(wanted);
    const provider = toHex(wanted.key);
    const isAsked = this.#payOf(wanted) === 'channel';
    if (!isAsked && (this.#answers.get(provider) ?? 0) < answersBeforeChannel) return null;
    const { amountLamports } = wanted;
    const depositLamports = smaller(answersPerDeposit * amountLamports, most);
    // A channel for a single answer saves nothing.
    if (!isAsked && depositLamports < 2n * amountLamports) return null;
    if (depositLamports < amountLamports)
      throw new QvacError('E_LIMIT', `the answer may cost ${amountLamports} lamports, a deposit is ${most} at most`, {
        hint: 'raise --deposit, or use --pay job',
      });
    // A window pays for one answer more than fits into it.
    const atOnce = BigInt(isShared ? Math.max(2, wanted.slots) : 2);
    const windowLamports = smaller((atOnce - 1n) * amountLamports, depositLamports);
    const channel = { ...wanted, depositLamports, windowLamports, minWindowLamports: amountLamports, isKept: keeps };
    return this.#opening(provider, () => this.open(channel, options), options);
  }

  async open(wanted: WantedChannel, options: AbortOptions = {}): Promise<OpenChannel> {
    const onOpening = (channel: OpenChannel): void => this.#tell(channel, 'opening');
    const { channel } = await openChannel({ ...this.#components, held: this.#held, onOpening }, wanted, options);
    this.#tell(channel, 'opened');
    return channel;
  }

  list(): Promise<readonly ListedChannel[]> {
    return this.#held.list();
  }

  async topUp(id: ChannelId, lamports: bigint, options: AbortOptions = {}): Promise<OpenChannel> {
    const held = await this.#held.need(id);
    try {
      await this.#deposits.raise(held.channel, lamports, options);
      return held.channel;
    } finally {
      await this.#held.giveBack(held);
    }
  }

  close(id: ChannelId, options: AbortOptions = {}): Promise<ChannelNews> {
    return this.#endings.close(id, options);
  }

  resume(options: AbortOptions = {}): Promise<readonly ChannelNews[]> {
    return this.#endings.resume(options);
  }

  async stop(): Promise<void> {
    const signal = AbortSignal.timeout(closeWaitMs);
    for (const { channel, release } of this.#held.all) {
      const isEnding = !channel.kept.isKept && !channel.isBusy;
      const failed = (error: unknown): void =>
        this.#components.logger.info('a channel is not closed yet', { channel: channel.id, reason: messageOf(error) });
      if (isEnding) await this.#endings.step(channel, { signal }).catch(failed);
      await release();
    }
    await settledWithin(Promise.allSettled(this.#background), closeWaitMs);
    this.#end.abort(new Error('stopping'));
  }

  async challenge({ channel, jobId }: ChannelPlace, options: AbortOptions = {}): Promise<void> {
    if (jobId === null) return;
    await channel.challenged(jobId, { isChallenged: true });
    if (!channel.isBusy) await this.#endings.step(channel, options);
  }

  delivered({ channel, jobId, committedLamports }: ChannelPlace, isSent: boolean): void {
    if (jobId === null || committedLamports === 0n) return;
    channel.told(jobId, isSent);
    if (!isSent) this.#run(() => this.#closer.tell(channel, { signal: this.#end.signal }));
  }

  #run(work: () => Promise<unknown>): void {
    const running = work().catch((error: unknown) => {
      if (!this.#end.signal.aborted)
        this.#components.logger.warn('a channel could not be changed', { reason: messageOf(error) });
    });
    this.#background.add(running);
    void running.finally(() => this.#background.delete(running));
  }

  #tell(channel: OpenChannel, state: 'opening' | 'opened' | 'topped-up'): void {
    const at = Number(channel.terms.expiresAt) * 1_000;
    this.#init.onNews?.({ ...newsOf(channel), state, at, outcome: null });
  }
}
