import { type Monotonic, monotonicMs } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';

export interface SupervisorTimings {
  /** Waits before the second, third … attempt in a row, in ms; the last repeats. @default 1, 5, 15 s, 10 min */
  readonly tiersMs: readonly number[];
  /** Each wait is longer by up to this share, so that nodes do not return to a peer all at once. @default 0.3 */
  readonly jitter: number;
  /** The longest wait while this node has no connection at all, in ms. @default 15_000 */
  readonly aloneMs: number;
  /** A connection that lasted this long counts as a success, in ms. @default 10_000 */
  readonly provenMs: number;
  /** A rumour of a peer that failed less than this time ago brings no attempt, in ms. @default 10_000 */
  readonly rumourMs: number;
  /** Attempts at the same time. @default 8 */
  readonly parallel: number;
  /** Failed attempts in a row after which a peer is forgotten, unless it is to be kept. @default 6 */
  readonly attempts: number;
}

const defaultSupervisorTimings: SupervisorTimings = {
  tiersMs: [1_000, 5_000, 15_000, 600_000],
  jitter: 0.3,
  aloneMs: 15_000,
  provenMs: 10_000,
  rumourMs: 10_000,
  parallel: 8,
  attempts: 6,
};

export interface SupervisorComponents {
  /** Connects to `peer`. Its rejection is a failed attempt. */
  readonly reach: (peer: PeerIdString) => Promise<void>;
  /** True while this node has no connection. */
  readonly alone: () => boolean;
  /** A peer is not tried any more. */
  readonly forgotten: (peer: PeerIdString) => void;
  /** 0 … 1. @default Math.random */
  readonly random?: (() => number) | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

interface Ward {
  readonly peer: PeerIdString;
  keep: boolean;
  state: 'queued' | 'trying' | 'up' | 'waiting';
  /** Attempts in a row that failed. */
  failures: number;
  /** When, by the monotonic clock, it came up, and when an attempt last failed. */
  upAt: number;
  failedAt: number;
  /** Its connection closed during the attempt. */
  dropped: boolean;
  timer: NodeJS.Timeout | null;
}

const fresh = { upAt: 0, failedAt: Number.NEGATIVE_INFINITY, dropped: false, timer: null } as const;

/** Keeps trying to reach the peers added to it: a few at a time, less and less often, some of them forever. */
export class Supervisor {
  readonly #components: SupervisorComponents;
  readonly #timings: SupervisorTimings;
  readonly #monotonic: Monotonic;
  readonly #wards = new Map<PeerIdString, Ward>();
  #running = false;

  constructor(components: SupervisorComponents, timings: Partial<SupervisorTimings> = {}) {
    this.#components = components;
    this.#monotonic = components.monotonic ?? monotonicMs;
    this.#timings = { ...defaultSupervisorTimings, ...timings };
  }

  start(): void {
    this.#running = true;
    this.#pump();
  }

  stop(): void {
    this.#running = false;
    for (const ward of this.#wards.values()) this.#clear(ward);
    this.#wards.clear();
  }

  /** Attempts that run or are due. */
  busy(): number {
    return this.#count('queued') + this.#count('trying');
  }

  /** Supervised peers, reached or not. */
  size(): number {
    return this.#wards.size;
  }

  failures(peer: PeerIdString): number {
    return this.#wards.get(peer)?.failures ?? 0;
  }

  /**
   * Supervises `peer`: tries at once if it is new; with `hurry` also if it waits for its next attempt, `rumour` says
   * that it may have failed after whoever names it saw it.
   */
  add(
    peer: PeerIdString,
    options: {
      readonly keep?: boolean | undefined;
      readonly hurry?: boolean | 'rumour' | undefined;
    } = {},
  ): void {
    let ward = this.#wards.get(peer);
    if (ward === undefined) {
      ward = { peer, keep: false, state: 'queued', failures: 0, ...fresh };
      this.#wards.set(peer, ward);
    } else if (ward.state === 'waiting' && this.#isNews(ward, options.hurry)) {
      this.#clear(ward);
      ward.state = 'queued';
    }
    ward.keep ||= options.keep === true;
    this.#pump();
  }

  /** The connection to `peer` closed. */
  lost(peer: PeerIdString): void {
    const ward = this.#wards.get(peer);
    if (ward?.state === 'trying') ward.dropped = true;
    if (ward?.state === 'up') {
      const lasted = this.#monotonic() - ward.upAt;
      // A peer that drops every connection counts like one that does not answer.
      ward.failures = lasted >= this.#timings.provenMs ? 0 : ward.failures + 1;
      this.#wait(ward);
    }
    if (this.#components.alone()) this.#hurryAll();
  }

  /** Stops to supervise `peer`. */
  drop(peer: PeerIdString): void {
    const ward = this.#wards.get(peer);
    if (ward === undefined) return;
    this.#clear(ward);
    this.#wards.delete(peer);
  }

  #isNews({ failedAt }: Ward, hurry: boolean | 'rumour' = false): boolean {
    return hurry === 'rumour' ? this.#monotonic() - failedAt >= this.#timings.rumourMs : hurry;
  }

  #count(state: Ward['state']): number {
    let count = 0;
    for (const ward of this.#wards.values()) if (ward.state === state) count++;
    return count;
  }

  #pump(): void {
    if (!this.#running) return;
    const room = this.#timings.parallel - this.#count('trying');
    if (room <= 0) return;
    const queued = [...this.#wards.values()].filter(({ state }) => state === 'queued');
    // Those that failed must not keep new ones waiting.
    for (const ward of queued.sort((a, b) => a.failures - b.failures).slice(0, room)) void this.#try(ward);
  }

  async #try(ward: Ward): Promise<void> {
    ward.state = 'trying';
    ward.dropped = false;
    try {
      await this.#components.reach(ward.peer);
      if (ward.dropped) throw new Error('lost again');
      ward.state = 'up';
      ward.upAt = this.#monotonic();
    } catch {
      ward.failures++;
      ward.failedAt = this.#monotonic();
      this.#wait(ward);
    }
    this.#pump();
  }

  #wait(ward: Ward): void {
    if (!this.#running || this.#wards.get(ward.peer) !== ward) return;
    if (!ward.keep && ward.failures >= this.#timings.attempts) {
      this.#wards.delete(ward.peer);
      this.#components.forgotten(ward.peer);
      return;
    }
    const { tiersMs, aloneMs } = this.#timings;
    const tier = tiersMs[Math.min(Math.max(ward.failures - 1, 0), tiersMs.length - 1)] ?? 0;
    this.#schedule(ward, this.#components.alone() ? Math.min(tier, aloneMs) : tier);
  }

  #schedule(ward: Ward, delayMs: number): void {
    this.#clear(ward);
    ward.state = 'waiting';
    const { random = Math.random } = this.#components;
    ward.timer = setTimeout(
      () => {
        ward.timer = null;
        ward.state = 'queued';
        this.#pump();
      },
      delayMs * (1 + this.#timings.jitter * random()),
    );
    ward.timer.unref();
  }

  /** The last connection closed: peers with a long wait are tried soon. */
  #hurryAll(): void {
    const { tiersMs, aloneMs } = this.#timings;
    for (const ward of this.#wards.values()) {
      if (ward.state !== 'waiting') continue;
      const tier = tiersMs[Math.min(Math.max(ward.failures - 1, 0), tiersMs.length - 1)] ?? 0;
      if (tier > aloneMs) this.#schedule(ward, aloneMs);
    }
  }

  #clear(ward: Ward): void {
    if (ward.timer !== null) clearTimeout(ward.timer);
    ward.timer = null;
  }
}
