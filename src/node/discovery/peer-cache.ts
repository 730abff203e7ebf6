import { messageOf } from '../../errors.ts';
import { fromBase64Url, toBase64Url } from '../../lib/base64url.ts';
import { ipOfMultiaddr, kindOfIp } from '../../lib/ip-kind.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { type VerifiedCard, verifyCard } from '../cards/cards.ts';

/** A peer of an earlier run. */
export interface CachedPeer {
  readonly peer: PeerIdString;
  /** Unix ms. */
  readonly seenAt: number;
  readonly addrs: readonly string[];
  /** The newest card, perhaps expired: a later card must not be older. */
  readonly card: VerifiedCard;
}

interface Entry {
  readonly network: string;
  readonly peer: string;
  readonly seenAt: number;
  readonly addrs: readonly string[];
  readonly body: string;
  readonly sig: string;
  /** See `isSeed`. */
  readonly seed: boolean;
}

const maxPeers = 256;
/** Of them, those that are kept before all others. */
const maxSeeds = 64;
const maxBytes = 8 << 20;
const forgetAfterMs = 30 * 24 * 3600_000;

/** The peers seen in earlier runs, in one file that all networks and processes of a home share. */
export class PeerCache {
  readonly #network: string;
  readonly #logger: Logger;
  readonly #file: JsonFile<readonly Entry[]>;

  constructor(path: string, network: string, logger: Logger) {
    this.#network = network;
    this.#logger = logger;
    const what = 'the list of peers';
    this.#file = createJsonFile(path, { what, onDamaged: 'start-anew', maxBytes, logger, toJson, parse });
  }

  /** Newest first. Damaged entries are left out: the cache is an optimisation. */
  async load(): Promise<readonly CachedPeer[]> {
    const entries = (await this.#file.read()) ?? [];
    return entries.filter((entry) => entry.network === this.#network).flatMap((entry) => this.#parse(entry));
  }

  /** Adds `peers` to the file, which other processes write as well. Never throws. */
  async save(peers: readonly CachedPeer[], now: number): Promise<void> {
    const ours = peers.map(({ peer, seenAt, addrs, card }) => ({
      network: this.#network,
      peer,
      seenAt,
      addrs,
      body: toBase64Url(card.body),
      sig: toBase64Url(card.sig),
      seed: isSeed(card),
    }));
    await this.#file
      .update((kept) => merge([...(kept ?? []), ...ours], now))
      .catch((error: unknown) => this.#logger.warn('the list of peers was not saved', { reason: messageOf(error) }));
  }

  #parse(entry: Entry): readonly CachedPeer[] {
    try {
      const peer = entry.peer as PeerIdString;
      const signed = { body: fromBase64Url(entry.body), sig: fromBase64Url(entry.sig) };
      // Expired cards count as well: they prove which number was seen.
      const card = verifyCard(signed, { peer, network: this.#network, now: Number.NEGATIVE_INFINITY });
      return [{ peer, seenAt: entry.seenAt, addrs: entry.addrs, card }];
    } catch {
      return [];
    }
  }
}

/** The newest entry of each peer, newest first. */
function merge(entries: readonly Entry[], now: number): readonly Entry[] {
  const newest = new Map<string, Entry>();
  for (const stored of entries) {
    // An entry written while the date was ahead would otherwise stay the newest until then.
    const entry = { ...stored, seenAt: Math.min(stored.seenAt, now) };
    const key = `${entry.network} ${entry.peer}`;
    const known = newest.get(key);
    if (entry.seenAt > now - forgetAfterMs && (known === undefined || known.seenAt <= entry.seenAt))
      newest.set(key, entry);
  }
  const all = [...newest.values()].sort((a, b) => b.seenAt - a.seenAt);
  const seeds = all.filter(({ seed }) => seed).slice(0, maxSeeds);
  const others = all.filter((entry) => !seeds.includes(entry));
  return [...seeds, ...others].slice(0, maxPeers).sort((a, b) => b.seenAt - a.seenAt);
}

/** Whether a node helps others to start: a relay, or a router with an address that works from anywhere. */
export function isSeed({ card: { role, addrs } }: VerifiedCard): boolean {
  const isPublic = (address: string): boolean => kindOfIp(ipOfMultiaddr(address) ?? '') === 'public';
  return (
    role === 'relay' || (role === 'router' && addrs.some((each) => !each.includes('/p2p-circuit') && isPublic(each)))
  );
}

function toJson(peers: readonly Entry[]): unknown {
  return { version: 1, peers };
}

function parse(json: unknown): readonly Entry[] | null {
  if (typeof json !== 'object' || json === null || !('peers' in json) || !Array.isArray(json.peers)) return null;
  return (json.peers as readonly unknown[]).filter(isEntry).slice(0, maxPeers);
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
    typeof entry.seed === 'boolean' &&
    Array.isArray(entry.addrs) &&
    entry.addrs.every((address) => typeof address === 'string')
  );
}
