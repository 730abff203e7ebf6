import { QvacError } from '../../../errors.ts';
import { raceSignal } from '../../../lib/abort.ts';
import type { ModelId, PeerIdString } from '../../../lib/types.ts';
import type { RouteFrame } from '../../../protocol/frames.ts';
import { promptTokenBound } from '../../../protocol/input/prompt-bound.ts';
import type { VerifiedCard } from '../../cards/cards.ts';
import type { Discovery } from '../../discovery/discovery.ts';
import { abilitiesFor } from '../../job/answer-extra.ts';
import { type Considered, consideredOf } from '../../selection/considered.ts';
import type { Reputation } from '../../selection/reputation.ts';
import { type Choice, type Exclusion, type Selection, type SelectionCriteria, select } from '../../selection/select.ts';
import type { SpendingAllowance } from '../allowances.ts';
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

/** A selected provider, with one of its slots reserved until `release`. */
export interface Reserved {
  readonly choice: Choice;
  release(): void;
}

/** The eligible providers of one question. Each is tried once, best first. */
export class Candidates {
  readonly #components: CandidatesComponents;
  readonly #route: RouteFrame;
  #criteria: SelectionCriteria;
  #allowance: SpendingAllowance | null = null;
  readonly #tried = new Set<PeerIdString>();
  #selection: Selection = { choices: [], excluded: [] };

  /** @param held the models that this router can re-execute */
  constructor(components: CandidatesComponents, route: RouteFrame, held: ReadonlySet<ModelId>) {
    this.#components = components;
    this.#route = route;
    this.#criteria = {
      model: route.model,
      mode: route.mode,
      promptTokens: promptTokenBound(route.input),
      maxTokens: route.sampler.maxTokens,
      maxPrice: route.maxPrice,
      only: route.verify === 'full' ? held : null,
      knownShare: components.reputation.knownShareOf(route.input),
      needs: abilitiesFor(route.input, { hasGrammar: route.grammar !== undefined }),
    };
  }

  /** From now on only providers that can go on with an answer, those of `preferredClass` first (section 4.6). */
  continueWith(change: Omit<SelectionCriteria, 'mode' | 'only' | 'except' | 'maxPrice'>): void {
    this.#criteria = { ...this.#criteria, ...change };
  }

  /** From now on only providers whose answer costs at most `maxPrice` lamports. */
  spendAtMost(maxPrice: number): void {
    this.#criteria = { ...this.#criteria, maxPrice: Math.min(maxPrice, this.#criteria.maxPrice) };
  }

  /** Makes providers that charge eligible, within the rest of the client's limit. */
  payWith(allowance: SpendingAllowance, left: bigint | null): void {
    this.#allowance = allowance;
    if (left !== null && left < BigInt(this.#route.maxPrice))
      this.#criteria = { ...this.#criteria, maxPrice: Number(left) };
  }

  /**
   * The best provider that was not tried yet, once it has a free slot; null if all were tried.
   * @throws RouteFailure if no provider is eligible at the start; the signal's reason
   */
  async next(signal: AbortSignal): Promise<Reserved | null> {
    const { jobs } = this.#components;
    for (;;) {
      signal.throwIfAborted();
      const selection = await this.#find(signal);
      const left = selection.choices.filter((choice) => this.#isLeft(choice));
      if (left.length === 0) {
        if (this.#tried.size === 0) throw this.#refusal(selection);
        return null;
      }
      const choice = left.find(({ card, model }) => jobs.of(card.peer) < model.slots);
      if (choice !== undefined) {
        this.#selection = selection;
        this.#tried.add(choice.card.peer);
        // Counted at once, since concurrent questions may wait for the same slot.
        return { choice, release: jobs.add(choice.card.peer) };
      }
      await raceSignal(jobs.changed, signal);
    }
  }

  /** The providers considered in the last selection, best first. */
  get considered(): readonly Considered[] {
    return consideredOf(this.#selection);
  }

  /** Whether another provider could be tried now. */
  get othersLeft(): boolean {
    return this.#select(this.#components.discovery.live()).choices.some((choice) => this.#isLeft(choice));
  }

  /** The provider's choice by its newer card. @throws RouteFailure if it is no longer eligible */
  renew(card: VerifiedCard): Choice {
    const selection = this.#select([card]);
    const [choice] = selection.choices;
    if (choice === undefined) throw this.#refusal(selection);
    return choice;
  }

  /** Whether the provider was not tried yet, and never saw this commit. */
  #isLeft({ card }: Choice): boolean {
    return !this.#tried.has(card.peer) && !this.#components.commits.has(this.#route.commit, card.peer);
  }

  async #find(signal: AbortSignal): Promise<Selection> {
    const { discovery } = this.#components;
    const known = this.#select(discovery.live());
    if (known.choices.length > 0 || this.#tried.size > 0) return known;
    try {
      const enough = (found: readonly VerifiedCard[]): boolean => this.#select(found).choices.length > 0;
      return this.#select(
        await discovery.find(
          { model: this.#route.model, role: 'provider' },
          { signal, enough, timeoutMs: findTimeoutMs },
        ),
      );
    } catch (error) {
      // The search found no provider: the known ones then give the reason for the refusal.
      if (error instanceof QvacError && !signal.aborted) return known;
      throw error;
    }
  }

  #select(cards: readonly VerifiedCard[]): Selection {
    const { reputation, jobs } = this.#components;
    const allowance = this.#allowance;
    return select(
      {
        reputation,
        inFlight: (peer) => jobs.of(peer),
        ...(allowance === null ? {} : { refusal: (pay) => allowance.wallet.refusal(pay), records: allowance.records }),
      },
      cards,
      this.#criteria,
    );
  }

  /** Why no provider can be asked, from the exclusions of all of them. */
  #refusal({ excluded }: Selection): RouteFailure {
    const why = new Set<Exclusion>(excluded.map((each) => each.why));
    const { model, verify, maxPrice } = this.#route;
    const standing = excluded.find((each) => each.why === 'standing');
    if (why.has('too-dear') && this.#criteria.maxPrice < maxPrice)
      return new RouteFailure('limit', `the rest of your limit for 24 h does not cover any offer of ${model}`);
    if (why.has('too-dear'))
      return new RouteFailure('too-dear', `every offer of ${model} may cost more than ${maxPrice} lamports`);
    if (why.has('pay')) {
      const detail = excluded.find((each) => each.why === 'pay')?.detail ?? 'cannot be paid';
      return new RouteFailure(
        'limit',
        this.#allowance === null
          ? `every provider of ${model} charges for answers, and this router does not pay`
          : `no provider of ${model} can be paid: ${detail}`,
      );
    }
    if (standing !== undefined)
      return new RouteFailure('no-provider', `no provider of ${model} is usable: ${standing.detail}`);
    const unable = excluded.find((each) => each.why === 'ability');
    if (unable !== undefined)
      return new RouteFailure('no-provider', `no provider of ${model} takes this question: ${unable.detail}`);
    const heldOffered = why.has('mode') || why.has('context');
    if (verify === 'full' && !heldOffered)
      return new RouteFailure('no-model', `no provider offers a file of ${model} that this router can re-execute`);
    return new RouteFailure(
      'no-provider',
      `no provider offers ${model}${heldOffered ? ' in this mode and length' : ''}`,
    );
  }
}
