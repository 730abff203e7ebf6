import type { Clock } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Considered } from '../selection/considered.ts';
import type { SelectionRecord, SelectionStore } from '../selection/selection-store.ts';
import type { AskObserver, Delivered } from './answer.ts';

export interface SelectionLogComponents {
  /** Null: no record is kept. */
  readonly selections: Pick<SelectionStore, 'save' | 'link'> | null;
  readonly clock: Clock;
}

export interface SelectionLogInit {
  /** As requested; null: any. */
  readonly model: string | null;
  /** Names the question, 24 hex digits; null: only an answer has a record. */
  readonly request: string | null;
}

/** Collects how the provider of one question was selected, and stores the record. */
export class SelectionLog {
  readonly #components: SelectionLogComponents;
  readonly #init: SelectionLogInit;
  readonly #turned: SelectionRecord['turned'][number][] = [];
  #saving: Promise<void> | null = null;
  considered: readonly Considered[] = [];

  constructor(components: SelectionLogComponents, init: SelectionLogInit) {
    this.#components = components;
    this.#init = init;
  }

  turned(peer: PeerIdString, reason: string): void {
    this.#turned.push({ peer, reason });
  }

  /**
   * Wraps `observer` for one attempt, to store the record once the answer is complete: its checks may take minutes.
   */
  observing(
    observer: AskObserver,
    by: { readonly provider: PeerIdString } | { readonly router: PeerIdString },
  ): AskObserver {
    const { selections } = this.#components;
    const { request } = this.#init;
    const delivered = (answer: Delivered): void => {
      if ('provider' in by)
        this.#saving =
          selections?.save({ ...this.#soFar(), job: answer.receipt, provider: by.provider }, request) ?? null;
      // The router keeps the record, since it selected the provider.
      else if (request !== null) this.#saving = selections?.link(request, answer.receipt, by.router) ?? null;
      observer.delivered?.(answer);
    };
    return { ...observer, delivered };
  }

  /**
   * Resolves when the record is stored. Never throws.
   * @param failure why there is no answer; null if there is one
   */
  async end(failure: string | null): Promise<void> {
    const { request } = this.#init;
    if (failure !== null && request !== null && this.#saving === null)
      this.#saving =
        this.#components.selections?.save({ ...this.#soFar(), job: null, provider: null, failure }, request) ?? null;
    await this.#saving;
  }

  #soFar(): Omit<SelectionRecord, 'job' | 'provider'> {
    return {
      at: this.#components.clock.now(),
      model: this.#init.model,
      considered: this.considered,
      turned: this.#turned,
    };
  }
}
