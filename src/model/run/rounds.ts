import { type Monotonic, monotonicMs } from '../../lib/clock.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { LaneCall, Lanes } from './weights.ts';

/** Background work waits until other work has paused for this long: an answer's next token comes sooner, ms. */
const pauseMs = 50;
/** The longest that a background call waits, ms. Then background calls have a turn of this length, ms. */
const maxBackgroundWaitMs = 2_000;
const backgroundTurnMs = 200;

export interface RoundWork {
  readonly call: LaneCall;
  readonly topK: number;
  /** True if other sessions' single tokens may be in the same engine call. */
  readonly shared: boolean;
  /** True if it gives way to all work that is not in the background. @default false */
  readonly background?: boolean | undefined;
}

interface Waiting {
  readonly work: RoundWork;
  /** When it was queued, by the monotonic clock, ms. */
  readonly since: number;
  readonly accept: (logits: readonly TopLogits[]) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Puts the work of several sessions into engine calls: a prompt block is a call of its own, and never cut; single
 * tokens of sessions that may share go together. First come, first served, but background work waits for a pause.
 */
export interface Rounds {
  run(work: RoundWork): Promise<readonly TopLogits[]>;
}

export function createRounds(lanes: Lanes, monotonic: Monotonic = monotonicMs): Rounds {
  return new QueuedRounds(lanes, monotonic);
}

class QueuedRounds implements Rounds {
  readonly #lanes: Lanes;
  readonly #monotonic: Monotonic;
  readonly #queue: Waiting[] = [];
  readonly #background: Waiting[] = [];
  /** When a call that was not in the background ended last. */
  #busyAt = Number.NEGATIVE_INFINITY;
  /** When the turn of background calls ends that had waited for long. */
  #turnEndsAt = Number.NEGATIVE_INFINITY;
  #draining = false;
  #wake: () => void = () => undefined;

  constructor(lanes: Lanes, monotonic: Monotonic) {
    this.#lanes = lanes;
    this.#monotonic = monotonic;
  }

  run(work: RoundWork): Promise<readonly TopLogits[]> {
    return new Promise((accept, reject) => {
      const waiting = { work, since: this.#monotonic(), accept, reject };
      (work.background === true ? this.#background : this.#queue).push(waiting);
      this.#wake();
      if (this.#draining) return;
      this.#draining = true;
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#background.length > 0) {
      // One turn of the event loop lets the sessions of the last round queue their next token, so that they stay
      // together.
      if (this.#queue.some((waiting) => waiting.work.shared)) await new Promise<void>((resume) => setImmediate(resume));
      const delayMs = this.#backgroundDelayMs();
      if (delayMs <= 0) await this.#runBackground();
      else if (this.#queue.length > 0) {
        await this.#runRound(this.#takeRound());
        this.#busyAt = this.#monotonic();
      } else await this.#pause(delayMs);
    }
    this.#draining = false;
  }

  /** How long until the first background call may run, if nothing else comes; Infinity if there is none. */
  #backgroundDelayMs(): number {
    const [first] = this.#background;
    if (first === undefined) return Number.POSITIVE_INFINITY;
    const now = this.#monotonic();
    if (now < this.#turnEndsAt) return 0;
    const untilDueMs = first.since + maxBackgroundWaitMs - now;
    return this.#queue.length > 0 ? untilDueMs : Math.min(untilDueMs, this.#busyAt + pauseMs - now);
  }

  async #runBackground(): Promise<void> {
    const [first] = this.#background.splice(0, 1);
    if (first === undefined) return;
    const now = this.#monotonic();
    if (first.since + maxBackgroundWaitMs <= now) this.#turnEndsAt = now + backgroundTurnMs;
    await this.#runRound([first]);
  }

  /** Waits this long, or until other work comes. */
  async #pause(delayMs: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const timer = setTimeout(woken.resolve, delayMs);
    await woken.promise;
    clearTimeout(timer);
  }

  #takeRound(): readonly Waiting[] {
    const first = this.#queue.shift();
    if (first === undefined) return [];
    if (!isShareable(first.work)) return [first];
    const together = this.#queue.filter(
      (waiting) =>
        isShareable(waiting.work) &&
        waiting.work.topK === first.work.topK &&
        waiting.work.call.companion === first.work.call.companion,
    );
    for (const waiting of together) this.#queue.splice(this.#queue.indexOf(waiting), 1);
    return [first, ...together];
  }

  async #runRound(round: readonly Waiting[]): Promise<void> {
    try {
      await this.#evaluate(round);
    } catch (error) {
      for (const waiting of round) waiting.reject(error);
    }
  }

  async #evaluate(round: readonly Waiting[]): Promise<void> {
    const [first] = round;
    if (first === undefined) return;
    const calls = round.map((waiting) => waiting.work.call);
    const results = await this.#lanes.evaluate(calls, first.work.topK);
    for (const [at, waiting] of round.entries()) waiting.accept(results[at] ?? []);
  }
}

function isShareable(work: RoundWork): boolean {
  return work.shared && work.call.tokens.length === 1;
}
