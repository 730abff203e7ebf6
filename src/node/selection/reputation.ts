import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import type { FaultCode, Input } from '../../protocol/messages.ts';
import { createAskedPrompts, type KnownShare } from './asked-prompts.ts';
import {
  busyWeight,
  cooldownMs,
  experienceHalfLifeMs,
  faultHalfLifeMs,
  faultLimit,
  maxCooldownMs,
  maxProviders,
  maxSpeeds,
  minSpeedTokens,
  priorJobs,
  priorServed,
  saveIntervalMs,
  silenceWeight,
  speedWeight,
  streakLimit,
} from './constants.ts';
import { type ProviderRecord, reputationForm, type Speed } from './reputation-file.ts';

/** What one job says about its provider. */
export type Experience =
  /** Sent the final head. `n` tokens; times from the offer. */
  | {
      readonly kind: 'served';
      readonly model: ModelId;
      readonly n: number;
      readonly firstTokenMs: number;
      readonly totalMs: number;
    }
  | { readonly kind: 'busy' }
  /** Broke off, froze, sent an error or was unreachable. */
  | { readonly kind: 'aborted' }
  /** Passed a re-execution; what it is worth in lamports (`worthOf`). */
  | { readonly kind: 'verified'; readonly lamports: number }
  | { readonly kind: 'fault'; readonly fault: FaultCode };

/** What is known about a provider now, each term by itself so that a selection can be explained. */
export interface Standing {
  /** Whether the provider may be offered a job. */
  readonly usable: boolean;
  /** Not usable for a while only because it broke off; never for a failed verification. */
  readonly isResting: boolean;
  /** Why it may not; null if usable. */
  readonly reason: string | null;
  /** Expected share of jobs that it serves, 0 … 1. */
  readonly reliability: number;
  /** Number of jobs, decayed to now, like the counts below. */
  readonly served: number;
  readonly aborted: number;
  readonly busy: number;
  readonly verified: number;
  /** What those that passed a re-execution cost, lamports, with the half-life of a fault. */
  readonly verifiedLamports: number;
  readonly faults: number;
  readonly lastFault: FaultCode | null;
}

/**
 * Reputation of providers: decaying counts, bounded, on disk. `start` reads the file, `stop` saves pending changes.
 */
export interface Reputation {
  start(): Promise<void>;
  stop(): Promise<void>;
  record(peer: PeerIdString, experience: Experience): void;
  standing(peer: PeerIdString): Standing;
  /** Measured speed of `peer` with `model`, or null. */
  speed(peer: PeerIdString, model: ModelId): Speed | null;
  peers(): readonly PeerIdString[];
  /** Remembers, until this process ends, that `peer` answered this conversation. */
  answered(peer: PeerIdString, model: ModelId, input: Input): void;
  /** How much of `input` each provider answered before. */
  knownShareOf(input: Input): KnownShare;
}

export interface ReputationComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ReputationInit {
  /** The file; null keeps the reputation in memory only. */
  readonly path: string | null;
}

/**
 * ```ts
 * const reputation = createReputation({ clock: systemClock, logger }, { path: `${home}/reputation.json` });
 * await reputation.start();
 * reputation.record(peer, { kind: 'fault', fault: 'draws-far' });
 * reputation.standing(peer).usable; // false, for a week
 * ```
 */
export function createReputation(components: ReputationComponents, init: ReputationInit): Reputation {
  return new FileReputation(components, init);
}

const halved = (count: number, elapsedMs: number, halfLifeMs: number): number =>
  count * 2 ** (-Math.max(0, elapsedMs) / halfLifeMs);

/** `record` with its counts decayed from the time it was written to `now`. */
function decay(record: ProviderRecord, now: number): ProviderRecord {
  const elapsed = now - record.at;
  return {
    ...record,
    at: Math.max(record.at, now),
    served: halved(record.served, elapsed, experienceHalfLifeMs),
    aborted: halved(record.aborted, elapsed, experienceHalfLifeMs),
    busy: halved(record.busy, elapsed, experienceHalfLifeMs),
    verified: halved(record.verified, elapsed, experienceHalfLifeMs),
    verifiedLamports: halved(record.verifiedLamports, elapsed, faultHalfLifeMs),
    faults: halved(record.faults, elapsed, faultHalfLifeMs),
  };
}

const newcomer = (now: number): ProviderRecord => ({
  at: now,
  served: 0,
  aborted: 0,
  busy: 0,
  verified: 0,
  verifiedLamports: 0,
  faults: 0,
  lastFault: null,
  streak: 0,
  restUntil: 0,
  speeds: {},
});

function learn(record: ProviderRecord, experience: Experience, now: number): ProviderRecord {
  switch (experience.kind) {
    case 'served':
      return {
        ...record,
        served: record.served + 1,
        streak: 0,
        restUntil: 0,
        speeds: learnSpeed(record.speeds, experience),
      };
    case 'busy':
      return { ...record, busy: record.busy + 1 };
    case 'aborted': {
      // Concurrent jobs break off together: they count as one outage.
      if (record.restUntil > now) return { ...record, aborted: record.aborted + 1 };
      const streak = record.streak + 1;
      const rest = streak < streakLimit ? 0 : Math.min(maxCooldownMs, cooldownMs * 4 ** (streak - streakLimit));
      return { ...record, aborted: record.aborted + 1, streak, restUntil: now + rest };
    }
    case 'verified':
      return {
        ...record,
        verified: record.verified + 1,
        verifiedLamports: record.verifiedLamports + experience.lamports,
      };
    case 'fault':
      return {
        ...record,
        faults: record.faults + (experience.fault === 'silence' ? silenceWeight : 1),
        lastFault: experience.fault,
      };
  }
}

function learnSpeed(
  speeds: ProviderRecord['speeds'],
  job: Extract<Experience, { kind: 'served' }>,
): ProviderRecord['speeds'] {
  const streamingMs = job.totalMs - job.firstTokenMs;
  if (job.n < minSpeedTokens || streamingMs <= 0) return speeds;
  const measured = { tokensPerSecond: ((job.n - 1) * 1_000) / streamingMs, firstTokenMs: job.firstTokenMs };
  const { [job.model]: known, ...others } = speeds;
  const mean = (was: number | undefined, is: number): number =>
    was === undefined ? is : was + speedWeight * (is - was);
  const updated = {
    tokensPerSecond: mean(known?.tokensPerSecond, measured.tokensPerSecond),
    firstTokenMs: mean(known?.firstTokenMs, measured.firstTokenMs),
  };
  // In order of use, so that the oldest measurements are dropped.
  return Object.fromEntries([...Object.entries(others), [job.model, updated] as const].slice(-maxSpeeds));
}

class FileReputation implements Reputation {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #file: JsonFile<ReadonlyMap<PeerIdString, ProviderRecord>> | null;
  #records = new Map<PeerIdString, ProviderRecord>();
  readonly #prompts = createAskedPrompts();
  #timer: NodeJS.Timeout | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(components: ReputationComponents, init: ReputationInit) {
    this.#clock = components.clock;
    this.#logger = components.logger;
    const { path } = init;
    const what = 'the reputation of providers';
    const form = { what, onDamaged: 'start-anew', logger: components.logger, ...reputationForm } as const;
    this.#file = path === null ? null : createJsonFile(path, form);
  }

  async start(): Promise<void> {
    const stored = (await this.#file?.read()) ?? null;
    if (stored !== null) this.#records = new Map(stored);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
      this.#save();
    }
    await this.#saving;
  }

  record(peer: PeerIdString, experience: Experience): void {
    const now = this.#clock.now();
    const known = this.#records.get(peer);
    this.#records.set(peer, learn(known === undefined ? newcomer(now) : decay(known, now), experience, now));
    if (this.#records.size > maxProviders) this.#forgetOne(now);
    if (this.#file !== null) this.#timer ??= this.#schedule();
  }

  answered(peer: PeerIdString, model: ModelId, input: Input): void {
    this.#prompts.add(input, peer, model);
  }

  knownShareOf(input: Input): KnownShare {
    return this.#prompts.shareOf(input);
  }

  standing(peer: PeerIdString): Standing {
    const now = this.#clock.now();
    const record = decay(this.#records.get(peer) ?? newcomer(now), now);
    const good = record.served + record.verified;
    const bad = record.aborted + record.busy * busyWeight;
    // A stored time may be far ahead, by a clock that was wrong.
    const isResting = record.restUntil > now && record.restUntil <= now + maxCooldownMs;
    const reason =
      record.faults > faultLimit
        ? `failed verification (${record.lastFault ?? 'unknown fault'})`
        : isResting
          ? `broke off ${record.streak} jobs in a row`
          : null;
    return {
      usable: reason === null,
      isResting: isResting && record.faults <= faultLimit,
      reason,
      reliability: (good + priorServed) / (good + bad + priorJobs),
      served: record.served,
      aborted: record.aborted,
      busy: record.busy,
      verified: record.verified,
      verifiedLamports: record.verifiedLamports,
      faults: record.faults,
      lastFault: record.lastFault,
    };
  }

  speed(peer: PeerIdString, model: ModelId): Speed | null {
    return this.#records.get(peer)?.speeds[model] ?? null;
  }

  peers(): readonly PeerIdString[] {
    return [...this.#records.keys()];
  }

  /**
   * Drops the record with the oldest change; that of a cheat only if all are cheats, so that many newcomers cannot
   * erase a cheat's record.
   */
  #forgetOne(now: number): void {
    let oldest: readonly [PeerIdString, ProviderRecord] | null = null;
    for (const entry of this.#records) {
      if (oldest === null || forgettable(entry[1], now) < forgettable(oldest[1], now)) oldest = entry;
    }
    if (oldest !== null) this.#records.delete(oldest[0]);
  }

  #schedule(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timer = null;
      this.#save();
    }, saveIntervalMs);
    return timer.unref();
  }

  #save(): void {
    const saving = this.#file?.write(this.#records) ?? Promise.resolve();
    this.#saving = saving.catch((error: unknown) =>
      this.#logger.warn('reputation not saved', { reason: messageOf(error) }),
    );
  }
}

/** The sort key of `#forgetOne`: the record with the lowest value is dropped first. */
function forgettable(record: ProviderRecord, now: number): number {
  return record.at + (decay(record, now).faults > faultLimit ? now : 0);
}
