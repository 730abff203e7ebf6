import type { PeerIdString } from '../../../lib/types.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { maxAnswerParts } from '../../../protocol/constants.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import { type GrammarRules, parseGrammar } from '../../../protocol/grammar/rules.ts';
import { AnswerSoFar } from '../../job/answer-so-far.ts';
import { countsOf, mostCostOf } from '../../job/cost.ts';
import type { Job } from '../../job/job.ts';

/** A provider that broke off, with the tokens of the answer that it wrote. */
export interface LostProvider {
  readonly provider: PeerIdString;
  readonly n: number;
}

/** What the client has received of one question's answer, provider by provider (section 4.6). */
export class RoutedAnswer {
  readonly soFar: AnswerSoFar;
  #grammar: GrammarRules | null = null;
  readonly #route: RouteFrame;
  readonly #lost: { readonly provider: PeerIdString; readonly start: number }[] = [];
  #spentLamports = 0n;

  constructor(route: RouteFrame) {
    this.#route = route;
    this.soFar = new AnswerSoFar(route.input.continuation, route.sampler.extra);
  }

  /** Of the whole answer; null without one, and before `checkGrammar`. */
  get grammar(): GrammarRules | null {
    return this.#grammar;
  }

  /** @throws BadInputError for a grammar that no provider may take */
  checkGrammar(): void {
    if (this.#route.grammar !== undefined) this.#grammar = parseGrammar(this.#route.grammar);
  }

  get isBegun(): boolean {
    return this.#lost.length > 0;
  }

  /** The question for the next provider. */
  get rest(): Pick<RouteFrame, 'input' | 'sampler'> {
    return this.soFar.rest(this.#route.input, this.#route.sampler);
  }

  /** What is left of the client's price limit, lamports. */
  get maxPrice(): number {
    return Math.max(0, this.#route.maxPrice - Number(this.#spentLamports));
  }

  get lost(): readonly LostProvider[] {
    return this.#lost.map(({ provider, start }, at) => ({
      provider,
      n: (this.#lost[at + 1]?.start ?? this.soFar.start) - start,
    }));
  }

  /** Counts what the provider of an incomplete answer can be paid: also one without a token, for the prompt. */
  spend(job: Job): void {
    this.#spentLamports += mostCostOf(job.offer, countsOf(job));
  }

  /**
   * Takes a job that broke off after a new token.
   * @returns whether another provider can continue the answer
   */
  add(job: Job): boolean {
    const { start } = this.soFar;
    try {
      if (!this.soFar.add(job)) return false;
    } catch (error) {
      if (error instanceof MalformedError) return false;
      throw error;
    }
    this.#lost.push({ provider: job.provider, start });
    return this.#lost.length < maxAnswerParts;
  }
}
