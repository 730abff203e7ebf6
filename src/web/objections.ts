import { GatewayError } from './api.ts';
import { actOnJob } from './wallet-api.ts';

export interface ObjectionInit {
  /** Address of the wallet whose money is at stake. */
  readonly address: string;
  readonly job: string;
  /** The last moment that the objection counts, by this browser's clock, unix ms. */
  readonly until: number;
  /** Whether the objection still makes sense: the wallet is connected and the job not settled. */
  isOpen(): Promise<boolean>;
}

/** Errors that asking again cannot change: the person refused, or nothing is left or wrong to object to. */
const finalCodes: ReadonlySet<string> = new Set(['E_LIMIT', 'E_NOT_FOUND', 'E_ESCROW']);
const [firstPauseMs, lastPauseMs] = [1_000, 15_000];

/**
 * Objections to answers that failed a check. Each asks the gateway for a rejection until it is settled, the person
 * refuses, or its time is over; a request that fails is repeated.
 */
class Objections {
  readonly #active = new Set<string>();
  /** Jobs whose rejection the person refused. */
  readonly #declined = new Set<string>();

  /** Starts an objection unless it is under way or the person refused it. */
  raise(init: ObjectionInit): void {
    if (this.#active.has(init.job) || this.#declined.has(init.job)) return;
    this.#active.add(init.job);
    void this.#repeat(init).finally(() => this.#active.delete(init.job));
  }

  /** The person refuses: do not ask again. */
  decline(job: string): void {
    this.#declined.add(job);
  }

  isDeclined(job: string): boolean {
    return this.#declined.has(job);
  }

  async #repeat({ address, job, until, isOpen }: ObjectionInit): Promise<void> {
    let pauseMs = firstPauseMs;
    while (Date.now() < until) {
      try {
        // Resolves at once if the gateway already waits for the signature.
        await actOnJob(address, job, 'reject');
      } catch (error) {
        if (error instanceof GatewayError && finalCodes.has(error.code)) return this.decline(job);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, Math.max(0, until - Date.now()))));
      pauseMs = Math.min(pauseMs * 2, lastPauseMs);
      if (this.#declined.has(job) || !(await isOpen().catch(() => true))) return;
    }
  }
}

export const objections = new Objections();
