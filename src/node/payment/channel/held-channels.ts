import { join } from 'node:path';
import { QvacError } from '../../../errors.ts';
import type { ChannelAccount } from '../../../escrow/accounts.ts';
import type { Escrow } from '../../../escrow/escrow.ts';
import { fromHex, toHex } from '../../../lib/bytes.ts';
import { acquireLock, type Release } from '../../../lib/lock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { ChannelId } from '../../../lib/types.ts';
import type { Journal } from '../../home/journal.ts';
import { type KeptChannel, openKeptChannels } from './kept-channel.ts';
import { OpenChannel } from './open-channel.ts';

export interface HeldChannelsComponents {
  readonly escrow: Escrow;
  readonly logger: Logger;
}

/** A channel in the hands of this process: its totals have one writer. */
export interface Held {
  readonly channel: OpenChannel;
  readonly release: Release;
}

/** The channels of a home on disk, and those that this process holds: one with each provider. */
export class HeldChannels {
  readonly #escrow: Escrow;
  readonly #dir: string;
  readonly #journal: Journal<KeptChannel, ChannelId>;
  /** By the provider's key in hex. */
  readonly #held = new Map<string, Held>();

  /** @param dir folder of the channels that have not ended */
  constructor({ escrow, logger }: HeldChannelsComponents, dir: string) {
    this.#escrow = escrow;
    this.#dir = dir;
    this.#journal = openKeptChannels(dir, logger);
  }

  /** Those of this process. */
  get all(): readonly Held[] {
    return [...this.#held.values()];
  }

  /** @param key of the provider's node */
  of(key: Uint8Array): OpenChannel | null {
    return this.#held.get(toHex(key))?.channel ?? null;
  }

  keep(held: Held): void {
    this.#held.set(toHex(held.channel.terms.provider), held);
  }

  /** Every channel on this chain that has not ended, with its account. @throws QvacError E_HOME, E_CHAIN */
  async list(): Promise<readonly { readonly channel: OpenChannel; readonly account: ChannelAccount | null }[]> {
    const entries = await this.#journal.read();
    const listed = [...entries].filter(([, { chain }]) => chain === this.#escrow.chain);
    return Promise.all(
      listed.map(async ([id, kept]) => {
        const account = await this.#accountOf(id);
        const own = this.all.find(({ channel }) => channel.id === id)?.channel;
        return { channel: own ?? new OpenChannel(this.#journal, id, kept, account?.deposit ?? 0n), account };
      }),
    );
  }

  /** Those of other processes, as they are on disk. @throws QvacError E_HOME */
  async others(): Promise<readonly OpenChannel[]> {
    const own = new Set(this.all.map(({ channel }) => channel.id));
    const entries = await this.#journal.read();
    return [...entries]
      .filter(([id, { chain }]) => chain === this.#escrow.chain && !own.has(id))
      .map(([id, kept]) => new OpenChannel(this.#journal, id, kept, 0n));
  }

  /** A new channel, on disk before it is opened. @throws QvacError E_HOME */
  async create(id: ChannelId, kept: KeptChannel, depositLamports: bigint): Promise<Held> {
    const held = { channel: new OpenChannel(this.#journal, id, kept, depositLamports), release: await this.#lock(id) };
    await held.channel.change({});
    return held;
  }

  /** Null if another process has it, or it has ended meanwhile. @throws QvacError E_CHAIN, E_HOME */
  async take(id: ChannelId): Promise<Held | null> {
    const release = await this.#lock(id).catch((error: unknown) => {
      if (error instanceof QvacError && error.code === 'E_LOCKED') return null;
      throw error;
    });
    return release === null ? null : this.#load(id, release);
  }

  /** This process's channel, or one that no other process holds. @throws QvacError E_LOCKED, E_NOT_FOUND, E_CHAIN */
  async need(id: ChannelId): Promise<Held> {
    const own = this.all.find(({ channel }) => channel.id === id);
    if (own !== undefined) return own;
    const held = await this.#load(id, await this.#lock(id));
    if (held !== null) return held;
    throw new QvacError('E_NOT_FOUND', `this home has no channel ${id.slice(0, 8)}`, { hint: 'qvac channels ls' });
  }

  /** Lets other processes have a channel again that this process does not go on with. */
  async giveBack(held: Held): Promise<void> {
    if (!this.all.includes(held)) await held.release();
  }

  /** The channel has ended. */
  async remove({ id, terms }: OpenChannel): Promise<void> {
    await this.#journal.remove(id);
    const key = toHex(terms.provider);
    const held = this.#held.get(key);
    if (held?.channel.id !== id) return;
    this.#held.delete(key);
    await held.release();
  }

  async #load(id: ChannelId, release: Release): Promise<Held | null> {
    try {
      const kept = (await this.#journal.read()).get(id);
      if (kept !== undefined && kept.chain === this.#escrow.chain) {
        const account = await this.#accountOf(id);
        return { channel: new OpenChannel(this.#journal, id, kept, account?.deposit ?? 0n), release };
      }
    } catch (error) {
      await release();
      throw error;
    }
    await release();
    return null;
  }

  #accountOf(id: ChannelId): Promise<ChannelAccount | null> {
    return this.#escrow.channel(this.#escrow.channelAddress(fromHex(id)));
  }

  #lock(id: ChannelId): Promise<Release> {
    return acquireLock(join(this.#dir, `${id}.lock`), `channel ${id.slice(0, 8)}`);
  }
}
