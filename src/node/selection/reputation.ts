import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import { judgePool, type PooledMisses, type PoolFinding, withMisses } from '../../proofs/statistics/pooled.ts';
import type { Input } from '../../protocol/messages.ts';
import { createAskedPrompts, type KnownShare } from './asked-prompts.ts';
import { busyWeight, faultLimit, maxProviders, priorJobs, priorServed, saveIntervalMs } from './constants.ts';
import { decay, type Experience, keptPools, learn, newcomer } from './experience.ts';
import { type ProviderRecord, poolFar, type RecordedFault, reputationForm, type Speed } from './reputation-file.ts';

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
  readonly lastFault: RecordedFault | null;
}

/**
 * Reputation of providers: decaying counts, bounded, on disk. `start` reads the file, `stop` saves pending changes.
 */
export interface Reputation {
  start(): Promise<void>;
  stop(): Promise<void>;
  record(peer: PeerIdString, experience: Experience): void;
  /**
   * Adds the misses of one answer, which this node recomputed, to those of the provider's newest ones (section 6). If
   * they are too far together, that is recorded as a fault, `pool-far`, and the evidence starts anew.
   */
  pool(peer: PeerIdString, model: ModelId, misses: PooledMisses): PoolFinding;
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
    const now = this.#clock.now();
    this.#records = new Map([...(stored ?? [])].map(([peer, record]) => [peer, decay(record, now)]));
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
    this.#change(peer, (record, now) => learn(record, experience, now));
  }

  #change(peer: PeerIdString, change: (record: ProviderRecord, now: number) => ProviderRecord): void {
    const now = this.#clock.now();
    const known = this.#records.get(peer);
    this.#records.set(peer, change(known === undefined ? newcomer(now) : decay(known, now), now));
    if (this.#records.size > maxProviders) this.#forgetOne(now);
    if (this.#file !== null) this.#timer ??= this.#schedule();
  }

  pool(peer: PeerIdString, model: ModelId, misses: PooledMisses): PoolFinding {
    const pool = withMisses(this.#records.get(peer)?.pools[model] ?? [], misses);
    const finding = judgePool(pool, misses.limit);
    this.#change(peer, (record) => ({ ...record, pools: keptPools(record.pools, model, pool, finding) }));
    if (finding.result !== 'fail') return finding;
    this.record(peer, { kind: 'fault', fault: poolFar });
    const { steps, meanMiss, limit } = finding;
    this.#logger.warn('the answers of a provider are together too far from its model', {
      peer,
      model,
      steps,
      meanMiss: meanMiss / 1e6,
      limit: limit / 1e6,
    });
    return finding;
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
    const isResting = record.restUntil > now;
    const reason =
      record.faults > faultLimit
        ? wordsOf(record.lastFault)
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

/** Why a provider with faults may not be offered a job. */
function wordsOf(lastFault: RecordedFault | null): string {
  if (lastFault === poolFar) return `its answers are together too far from its model (${poolFar})`;
  return `failed verification (${lastFault ?? 'unknown fault'})`;
}
