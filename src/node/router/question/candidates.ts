import { QvacError } from '../../../errors.ts';
import { raceSignal } from '../../../lib/abort.ts';
import type { ModelId, PeerIdString } from '../../../lib/types.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import { promptTokenBound } from '../../../protocol/prompt-bound.ts';
import type { VerifiedCard } from '../../cards/cards.ts';
import type { Discovery } from '../../discovery/discovery.ts';
import type { SpendingAllowance } from '../../payment/spending-limits.ts';
import { type Considered, consideredOf } from '../../selection/considered.ts';
import type { Reputation } from '../../selection/reputation.ts';
import { type Choice, type Exclusion, type Selection, type SelectionCriteria, select } from '../../selection/select.ts';
import type { Commits } from '../commits.ts';
import { findTimeoutMs } from '../constants.ts';
import { RouteFailure } from '../failure.ts';
import type { InFlight } from '../in-flight.ts';

export interface CandidatesComponents {
  readonly discovery: Pick<Discovery, 'live' | 'find'>;
  readonly reputation: Reputation;
  /** Jobs in progress, by provider. */
  readonly jobs: InFlight;
  readonly commits: Commits;
}

/** A provider with one of its slots, until it is released. */
export interface Reserved {
  readonly choice: Choice;
  release(): void;
}

/** Whoever may answer one question: each is turned to once, the best first. */
export class Candidates {
  readonly #components: CandidatesComponents;
  readonly #route: RouteFrame;
  #wish: SelectionCriteria;
  #purse: SpendingAllowance | null = null;
  readonly #turnedTo = new Set<PeerIdString>();
  #selection: Selection = { choices: [], excluded: [] };

  /** @param held the models that can be re-executed here */
  constructor(components: CandidatesComponents, route: RouteFrame, held: ReadonlySet<ModelId>) {
    this.#components = components;
    this.#route = route;
    this.#wish = {
      model: route.model,
      mode: route.mode,
      promptTokens: promptTokenBound(route.input),
      maxTokens: route.sampler.maxTokens,
      maxPrice: route.maxPrice,
      only: route.verify === 'full' ? held : null,
    };
  }

  /** From now on those count, too, who want to be paid, within what is left of the person's limit. */
  payWith(purse: SpendingAllowance): void {
    this.#purse = purse;
    const { left } = purse;
    if (left < BigInt(this.#route.maxPrice)) this.#wish = { ...this.#wish, maxPrice: Number(left) };
  }

  /** Most prompt tokens that the question can have. */
  get promptTokens(): number {
    return this.#wish.promptTokens;
  }

  /**
   * The best one that was not turned to yet, once it has a slot for us; null where none is left.
   * @throws RouteFailure where there is nobody from the start; the signal's reason
   */
  async next(signal: AbortSignal): Promise<Reserved | null> {
    const { jobs } = this.#components;
    for (;;) {
      signal.throwIfAborted();
      const selection = await this.#find(signal);
      const left = selection.choices.filter((choice) => this.#isLeft(choice));
      if (left.length === 0) {
        if (this.#turnedTo.size === 0) throw this.#refusal(selection);
        return null;
      }
      const choice = left.find(({ card, model }) => jobs.of(card.peer) < model.slots);
      if (choice !== undefined) {
        this.#selection = selection;
        this.#turnedTo.add(choice.card.peer);
        // Counted at once: others wait for the same slot.
        return { choice, release: jobs.add(choice.card.peer) };
      }
      await raceSignal(jobs.changed, signal);
    }
  }

  /** How the last choice fell, the best first. */
  get considered(): readonly Considered[] {
    return consideredOf(this.#selection);
  }

  /** Whether another one could be turned to now. */
  get othersLeft(): boolean {
    return this.#select(this.#components.discovery.live()).choices.some((choice) => this.#isLeft(choice));
  }

  /** The choice that a provider's newer card makes of it. @throws RouteFailure where it may not answer any more */
  renew(card: VerifiedCard): Choice {
    const selection = this.#select([card]);
    const [choice] = selection.choices;
    if (choice === undefined) throw this.#refusal(selection);
    return choice;
  }

  /** Whether it was not asked yet, and never saw this commit. */
  #isLeft({ card }: Choice): boolean {
    return !this.#turnedTo.has(card.peer) && !this.#components.commits.has(this.#route.commit, card.peer);
  }

  async #find(signal: AbortSignal): Promise<Selection> {
    const { discovery } = this.#components;
    const known = this.#select(discovery.live());
    if (known.choices.length > 0 || this.#turnedTo.size > 0) return known;
    try {
      const enough = (found: readonly VerifiedCard[]): boolean => this.#select(found).choices.length > 0;
      return this.#select(
        await discovery.find(
          { model: this.#route.model, role: 'provider' },
          { signal, enough, timeoutMs: findTimeoutMs },
        ),
      );
    } catch (error) {
      // Nobody was found: what is known says why those who are there may not answer.
      if (error instanceof QvacError && !signal.aborted) return known;
      throw error;
    }
  }

  #select(cards: readonly VerifiedCard[]): Selection {
    const { reputation, jobs } = this.#components;
    const purse = this.#purse;
    return select(
      {
        reputation,
        inFlight: (peer) => jobs.of(peer),
        ...(purse === null ? {} : { refusal: (pay) => purse.paying.refusal(pay), records: purse.records }),
      },
      cards,
      this.#wish,
    );
  }

  /** Why nobody can be asked, from why each one cannot. */
  #refusal({ excluded }: Selection): RouteFailure {
    const why = new Set<Exclusion>(excluded.map((each) => each.why));
    const { model, verify, maxPrice } = this.#route;
    const standing = excluded.find((each) => each.why === 'standing');
    if (why.has('too-dear') && this.#wish.maxPrice < maxPrice)
      return new RouteFailure('limit', `what is left of your limit for today does not cover any offer of ${model}`);
    if (why.has('too-dear'))
      return new RouteFailure('too-dear', `every offer of ${model} may cost more than ${maxPrice} lamports`);
    if (why.has('pay'))
      return new RouteFailure(
        'limit',
        `every offer of ${model} wants to be paid, and ${this.#purse === null ? 'this router pays nobody' : (excluded.find((each) => each.why === 'pay')?.detail ?? 'cannot be')}`,
      );
    if (standing !== undefined)
      return new RouteFailure('no-provider', `the only offer of ${model} is not used: ${standing.detail}`);
    const heldOffered = why.has('mode') || why.has('context');
    if (verify === 'full' && !heldOffered)
      return new RouteFailure(
        'no-model',
        `nobody offers a file of ${model} that this router holds and could re-execute`,
      );
    return new RouteFailure(
      'no-provider',
      `nobody offers ${model} here${heldOffered ? ' in this mode and length' : ''}`,
    );
  }
}
