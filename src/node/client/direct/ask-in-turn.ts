import { QvacError } from '../../../errors.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { maxAnswerParts, maxTriedProviders } from '../../../protocol/constants.ts';
import { promptTokenBound } from '../../../protocol/input/prompt-bound.ts';
import { inputFor } from '../../../protocol/input/system-in-turn.ts';
import { isBadOffer } from '../../job/remote-error.ts';
import { findTooLong } from '../../job/too-long.ts';
import { chooseProviders } from '../../selection/choose.ts';
import type { Choice, SelectionCriteria } from '../../selection/select.ts';
import type { VerifyLevel } from '../../verification/verification.ts';
import { type Answer, faultyAnswer } from '../answer.ts';
import type { BrokenPart } from '../broken-part.ts';
import type { FinishedAnswer } from '../finish.ts';
import type { PartedAnswer } from '../parted-answer.ts';
import { noOffer, type Question } from '../question.ts';
import { askProvider } from './ask-provider.ts';
import type { DirectOutcome } from './direct-init.ts';

/** What ends a round of providers: an answer, or one that broke off after a new token. */
type RoundEnd = Extract<DirectOutcome, { answer: Answer }> | { readonly answer: null; readonly broken: BrokenPart };

/**
 * Asks one provider after another, the best first, until one answers. If a provider breaks off after a new token, the
 * next one continues the answer of `parted`.
 * @returns the part of the last provider, which `parted` completes
 * @throws QvacError with the reason of the last provider that did not answer, or that no other one may be asked
 */
export async function askInTurn(question: Question, parted: PartedAnswer): Promise<Answer | FinishedAnswer> {
  return new Turns(question, parted).run();
}

class Turns {
  readonly #question: Question;
  readonly #parted: PartedAnswer;
  /** The providers that the question was sent to. */
  readonly #asked: Set<PeerIdString>;

  constructor(question: Question, parted: PartedAnswer) {
    this.#question = question;
    this.#parted = parted;
    this.#asked = new Set(parted.replaced);
  }

  async run(): Promise<Answer | FinishedAnswer> {
    for (;;) {
      const end = await this.#askRound(await this.#choose());
      if (end.answer !== null) return end.answer;
      this.#takeBroken(end.broken);
    }
  }

  /** Asks one provider after another, until one answers or breaks off. */
  async #askRound(choices: readonly Choice[]): Promise<RoundEnd> {
    let failure: Error | null = null;
    let fault: { readonly error: FaultError; readonly choice: Choice } | null = null;
    const queue = [...choices];
    const renewed = new Set<PeerIdString>();
    for (let tries = 0; tries < maxTriedProviders; tries++) {
      const choice = queue.shift();
      if (choice === undefined) break;
      const { peer } = choice.card;
      this.#asked.add(peer);
      const outcome = await this.#askOne(choice);
      if (outcome.answer !== null) return outcome;
      if (outcome.broken !== null) return { answer: null, broken: outcome.broken };
      this.#parted.lost(outcome.lostLamports);
      failure = outcome.error;
      if (failure instanceof FaultError) fault = { error: failure, choice };
      if (outcome.again === true) {
        queue.unshift(choice);
        continue;
      }
      const fresh = isBadOffer(failure) && !renewed.has(peer) ? await this.#renewed(choice) : null;
      renewed.add(peer);
      if (fresh !== null) queue.unshift(fresh);
      else this.#turnFrom(peer, failure, queue.length > 0);
    }
    // A caught provider is reported even if a later one was merely busy.
    if (fault !== null) return { answer: this.#caught(fault.error, fault.choice) };
    throw failure ?? noOffer();
  }

  #turnFrom(peer: PeerIdString, { message }: Error, hasNext: boolean): void {
    this.#question.selectionLog.turned(peer, message);
    if (hasNext) this.#question.observer.turned(peer, message);
  }

  async #askOne(choice: Choice): Promise<DirectOutcome> {
    const { components, init, observer, options, refereePlan, selectionLog } = this.#question;
    const { verifier, reputation } = components;
    const { soFar, totals, last } = this.#parted;
    const { input, sampler } = soFar.rest(init.input, init.sampler);
    const maxPrice = this.#priceLeft;
    const { model, modelId, card, priceLamports } = choice;
    const refused = { answer: null, broken: null, lostLamports: 0n } as const;
    if (priceLamports > BigInt(maxPrice)) return { ...refused, error: tooDearNow(choice, maxPrice) };
    const offered = { peer: card.peer, model, modelId };
    const tooLong = await findTooLong(verifier, offered, inputFor(model, input), sampler.maxTokens);
    if (tooLong !== null) return { ...refused, error: tooLong };
    const level = await this.#levelFor(choice);
    const refereeCount = await refereePlan.for({ model: modelId, level }, card, priceLamports);
    if (level === 'sampling' || level === 'full') verifier.prepare(modelId, level);
    const outcome = await askProvider(
      components,
      {
        ...this.#question.sharedDirectInit(),
        input,
        sampler,
        soFar,
        earlier: totals,
        choice,
        maxPrice,
        seed: last?.job.offer.seed ?? this.#question.seed(),
        level,
        refereeCount,
      },
      selectionLog.observing(observer, { provider: card.peer }),
      options,
    );
    if (outcome.answer !== null && input.template !== 'embed') reputation.answered(card.peer, modelId, init.input);
    return outcome;
  }

  async #levelFor({ modelId }: Choice): Promise<VerifyLevel> {
    const { components, init } = this.#question;
    const { verify, referees = null } = init;
    return verify ?? (referees !== null || (await components.verifier.holds(modelId)) ? 'full' : 'sampling');
  }

  /** What the providers so far leave of the limit, lamports. */
  get #priceLeft(): number {
    return Math.max(0, this.#question.init.maxPrice - Number(this.#parted.mostLamports));
  }

  /** The same provider by its current card, if that is newer: class and prices change. */
  async #renewed({ card }: Choice): Promise<Choice | null> {
    const { components, chooseComponents, options } = this.#question;
    try {
      const live = await components.discovery.refresh(card.peer, options);
      if (live.card.seq <= card.card.seq) return null;
      const [choice] = await chooseProviders(chooseComponents, this.#criteria, card.peer, options);
      return choice ?? null;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof QvacError) return null;
      throw error;
    }
  }

  /** @throws its error if no other provider may continue the answer */
  #takeBroken(broken: BrokenPart): void {
    const { init, isOver, observer, selectionLog } = this.#question;
    const { answer, error } = broken;
    const isContinuable = this.#parted.add(broken);
    selectionLog.turned(answer.provider, error.message);
    const isNamed = (init.provider ?? null) !== null;
    if (!isContinuable || isOver || isNamed || this.#parted.count === maxAnswerParts) throw error;
    observer.brokeOff?.(answer.provider, this.#parted.soFar.shownCount, error.message);
  }

  /**
   * Those that can answer, or go on behind the last token that was shown: of the same model then, of the same class
   * first.
   */
  async #choose(): Promise<readonly Choice[]> {
    const { last } = this.#parted;
    const choices = await this.#question.choose({ ...this.#criteria, except: this.#asked });
    // If a router was lost, the provider behind it may have been, too.
    const isLast = ({ card }: Choice): boolean => card.peer === last?.answer.provider;
    return choices.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)));
  }

  /** What is left of the question asks of a provider. */
  get #criteria(): SelectionCriteria {
    const { init, criteria } = this.#question;
    const { soFar, last } = this.#parted;
    if (last === null) return { ...criteria, maxPrice: this.#priceLeft };
    const { input, sampler } = soFar.rest(init.input, init.sampler);
    return {
      ...criteria,
      model: last.answer.model.id,
      promptTokens: promptTokenBound(input),
      maxTokens: sampler.maxTokens,
      maxPrice: this.#priceLeft,
      preferredClass: last.job.offer.execClass,
    };
  }

  #caught(error: FaultError, { card, model, modelId }: Choice): Answer {
    const { init, stopwatch } = this.#question;
    const base = {
      text: '',
      tokens: 0,
      finish: null,
      provider: card.peer,
      router: null,
      model: { name: model.name, quant: model.quant, id: modelId },
    };
    return faultyAnswer({ ...base, level: init.verify ?? 'sampling', timing: stopwatch.read() }, error);
  }
}

/** It was within the limit before others took a part of it. */
function tooDearNow({ card, priceLamports }: Choice, leftLamports: number): QvacError {
  const what = `${shortPeer(card.peer)} asks for up to ${priceLamports} lamports`;
  return new QvacError(
    'E_TOO_DEAR',
    `${what}: of --max-price ${leftLamports} are left, since another provider failed`,
    {
      hint: 'ask again, or raise --max-price',
    },
  );
}
