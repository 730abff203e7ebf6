import type { Clock } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Considered } from '../selection/considered.ts';
import type { SelectionRecord, SelectionStore } from '../selection/selection-store.ts';
import type { AskObserver, Delivered } from './answer.ts';

export interface SelectionLogComponents {
  /** Null: no account is kept. */
  readonly choices: Pick<SelectionStore, 'save' | 'link'> | null;
  readonly clock: Clock;
}

export interface SelectionLogInit {
  /** As it was asked for; null: whichever. */
  readonly model: string | null;
  /** Names the question, 24 hex digits; null: only an answer has an account. */
  readonly request: string | null;
}

/** Gathers how one question's choice went, for the account of it. */
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
   * `observer`, for one attempt: the account is kept as soon as the answer is there, since its checks may take long.
   */
  observing(
    observer: AskObserver,
    by: { readonly provider: PeerIdString } | { readonly router: PeerIdString },
  ): AskObserver {
    const { choices } = this.#components;
    const { request } = this.#init;
    const delivered = (answer: Delivered): void => {
      if ('provider' in by)
        this.#saving = choices?.save({ ...this.#soFar(), job: answer.receipt, provider: by.provider }, request) ?? null;
      // The router keeps the account of its choice.
      else if (request !== null) this.#saving = choices?.link(request, answer.receipt, by.router) ?? null;
      observer.delivered?.(answer);
    };
    return { ...observer, delivered };
  }

  /**
   * Resolves when the account is kept. @param failure why there is no answer; null where there is one. Never throws.
   */
  async end(failure: string | null): Promise<void> {
    const { request } = this.#init;
    if (failure !== null && request !== null && this.#saving === null)
      this.#saving =
        this.#components.choices?.save({ ...this.#soFar(), job: null, provider: null, failure }, request) ?? null;
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
