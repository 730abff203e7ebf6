import { stat } from 'node:fs/promises';
import { messageOf, QvacError } from '../../errors.ts';
import { fromBase64Url, toBase64Url } from '../../lib/bytes.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { type VerifiedCard, verifyCard } from '../cards/cards.ts';

/** A peer of an earlier run. */
export interface CachedPeer {
  readonly peer: PeerIdString;
  /** Unix ms. */
  readonly seenAt: number;
  readonly addrs: readonly string[];
  /** The newest card seen, which may have expired: a later one must not be older. */
  readonly card: VerifiedCard;
}

interface Entry {
  readonly network: string;
  readonly peer: string;
  readonly seenAt: number;
  readonly addrs: readonly string[];
  readonly body: string;
  readonly sig: string;
}

const maxPeers = 256;
const maxBytes = 8 << 20;
const forgetAfterMs = 30 * 24 * 3600_000;

/** The peers seen in earlier runs, in one file that all networks and processes of a home share. */
export class PeerCache {
  readonly #path: string;
  readonly #network: string;
  readonly #logger: Logger;

  constructor(path: string, network: string, logger: Logger) {
    this.#path = path;
    this.#network = network;
    this.#logger = logger;
  }

  /** Newest first. Whatever is damaged is left out: a cache is only a help. */
  async load(): Promise<readonly CachedPeer[]> {
    const entries = await this.#entries();
    return entries.filter((entry) => entry.network === this.#network).flatMap((entry) => this.#parse(entry));
  }

  /** Adds `peers` to what other processes have written meanwhile. Never throws. */
  async save(peers: readonly CachedPeer[], now: number): Promise<void> {
    const merged = new Map<string, Entry>();
    const ours = peers.map(({ peer, seenAt, addrs, card }) => ({
      network: this.#network,
      peer,
      seenAt,
      addrs,
      body: toBase64Url(card.body),
      sig: toBase64Url(card.sig),
    }));
    for (const entry of [...(await this.#entries()), ...ours]) {
      const key = `${entry.network} ${entry.peer}`;
      const known = merged.get(key);
      if (entry.seenAt > now - forgetAfterMs && (known === undefined || known.seenAt <= entry.seenAt))
        merged.set(key, entry);
    }
    const kept = [...merged.values()].sort((a, b) => b.seenAt - a.seenAt).slice(0, maxPeers);
    try {
      await writeFileAtomic(this.#path, `${JSON.stringify({ version: 1, peers: kept })}\n`);
    } catch (error) {
      this.#logger.warn('the list of peers was not kept', {
        error: messageOf(error),
      });
    }
  }

  async #entries(): Promise<readonly Entry[]> {
    try {
      const { size } = await stat(this.#path).catch(() => ({ size: 0 }));
      if (size > maxBytes) return [];
      const file = await readJson(this.#path);
      if (typeof file !== 'object' || file === null || !('peers' in file) || !Array.isArray(file.peers)) return [];
      return (file.peers as readonly unknown[]).filter(isEntry).slice(0, maxPeers);
    } catch (error) {
      if (!(error instanceof QvacError)) throw error;
      this.#logger.warn('the list of peers cannot be read; it is made anew', { error: error.message });
      return [];
    }
  }

  #parse(entry: Entry): readonly CachedPeer[] {
    try {
      const peer = entry.peer as PeerIdString;
      const signed = { body: fromBase64Url(entry.body), sig: fromBase64Url(entry.sig) };
      // Expired cards count, too: they say which number was seen.
      const card = verifyCard(signed, { peer, network: this.#network, now: Number.NEGATIVE_INFINITY });
      return [{ peer, seenAt: entry.seenAt, addrs: entry.addrs, card }];
    } catch {
      return [];
    }
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<Record<keyof Entry, unknown>>;
  return (
    typeof entry.network === 'string' &&
    typeof entry.peer === 'string' &&
    Number.isSafeInteger(entry.seenAt) &&
    typeof entry.body === 'string' &&
    typeof entry.sig === 'string' &&
    Array.isArray(entry.addrs) &&
    entry.addrs.every((address) => typeof address === 'string')
  );
}
