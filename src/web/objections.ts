import { GatewayError } from './gateway-error.ts';

export interface ObjectionInit {
  /** The job or channel whose answer failed, in hex. */
  readonly subject: string;
  /** The last moment that the objection counts, by this browser's clock, unix ms. */
  readonly until: number;
  /** Has the gateway make the next transaction; resolves at once if the gateway already waits for the signature. */
  object(): Promise<void>;
  /** Whether the objection still makes sense: the wallet is connected and the money not settled. */
  isOpen(): Promise<boolean>;
}

/** Errors that asking again cannot change: the person refused, or nothing is left or wrong to object to. */
const finalCodes: ReadonlySet<string> = new Set(['E_LIMIT', 'E_NOT_FOUND', 'E_ESCROW']);
const [firstPauseMs, lastPauseMs] = [1_000, 15_000];

/**
 * Objections to answers that failed a check. Each asks the gateway for its transactions until the money is settled, the
 * person refuses, or its time is over; a request that fails is repeated.
 */
export class Objections {
  readonly #active = new Set<string>();
  /** Jobs and channels in which the person lets the provider be paid. */
  readonly #declined = new Set<string>();

  /** Starts an objection unless it is under way or the person refused it. */
  raise(init: ObjectionInit): void {
    const { subject } = init;
    if (this.#active.has(subject) || this.#declined.has(subject)) return;
    this.#active.add(subject);
    void this.#repeat(init).finally(() => this.#active.delete(subject));
  }

  /** The person refuses: do not ask again. */
  decline(subject: string): void {
    this.#declined.add(subject);
  }

  /** The person asks for it after all. */
  reconsider(subject: string): void {
    this.#declined.delete(subject);
  }

  isDeclined(subject: string): boolean {
    return this.#declined.has(subject);
  }

  async #repeat({ subject, until, object, isOpen }: ObjectionInit): Promise<void> {
    let pauseMs = firstPauseMs;
    while (Date.now() < until && !this.#declined.has(subject)) {
      try {
        await object();
      } catch (error) {
        if (error instanceof GatewayError && finalCodes.has(error.code)) return this.decline(subject);
        // The transaction expired: the next one must be there before the person notices.
        if (error instanceof GatewayError && error.code === 'E_TIMEOUT') pauseMs = firstPauseMs;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, Math.max(0, until - Date.now()))));
      pauseMs = Math.min(pauseMs * 2, lastPauseMs);
      if (this.#declined.has(subject) || !(await isOpen().catch(() => true))) return;
    }
  }
}

export const objections = new Objections();
