import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import type { Input, SamplerSettings } from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Referees } from '../referees/referees.ts';
import type { RefereeCount } from '../referees/reports.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import type { VerifyLevel } from '../verification/verification.ts';
import type { AskObserver } from './answer.ts';

export interface RefereePlanComponents {
  readonly verifier: Pick<LocalVerifier, 'holds'>;
  readonly referees?: Referees | null | undefined;
}

export interface RefereePlanInit {
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** As the person agreed; null: none. */
  readonly count: RefereeCount | null;
  /** For the answer and its score jobs together, lamports. */
  readonly maxPrice: number;
}

/** Which referees one question may have, and what they cost. */
export class RefereePlan {
  readonly #components: RefereePlanComponents;
  readonly #init: RefereePlanInit;
  readonly #observer: AskObserver;
  readonly #options: AbortOptions;

  constructor(components: RefereePlanComponents, init: RefereePlanInit, observer: AskObserver, options: AbortOptions) {
    this.#components = components;
    this.#init = init;
    this.#observer = observer;
    this.#options = options;
  }

  /**
   * The referees in the place of a machine that lacks the model, which is told to the person before the prompt leaves;
   * null if this machine holds it, or none are to be asked.
   * @param answerLamports the most that the answer may cost
   * @throws QvacError E_TOO_DEAR if answer and referees may cost more than the limit
   */
  async for(
    { model, level }: { readonly model: string; readonly level: VerifyLevel },
    provider: VerifiedCard | null,
    answerLamports: bigint,
  ): Promise<RefereeCount | null> {
    const { count } = this.#init;
    const isChecked = level === 'full' || level === 'optimistic';
    if (!isChecked || count === null || (this.#components.referees ?? null) === null) return null;
    if (await this.#components.verifier.holds(model)) return null;
    const total = answerLamports + (await this.#announce(model, provider, count, level));
    if (total > BigInt(this.#init.maxPrice)) throw this.#tooDear(total);
    return count;
  }

  /**
   * Tells to how many strangers the prompt goes, and at what price.
   * @returns the most that they cost, lamports
   */
  async #announce(
    model: string,
    provider: VerifiedCard | null,
    count: RefereeCount,
    level: VerifyLevel,
  ): Promise<bigint> {
    const { input, sampler } = this.#init;
    const size = { model, promptTokens: promptTokenBound(input), tokens: sampler.maxTokens, provider, count };
    const estimate = await this.#components.referees?.estimate(size, this.#options);
    if (estimate === undefined) return 0n;
    this.#observer.toReferees?.(count, estimate, level === 'optimistic');
    return estimate.priceLamports;
  }

  #tooDear(totalLamports: bigint): QvacError {
    const message = `with its referees, the answer may cost more than ${this.#init.maxPrice} lamports`;
    return new QvacError('E_TOO_DEAR', `${message}: up to ${totalLamports} lamports`, {
      hint: `allow it with --max-price ${totalLamports}, or with --yes; or leave out --referees`,
      details: { priceLamports: totalLamports.toString() },
    });
  }
}
