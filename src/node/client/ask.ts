import { randomBytes } from 'node:crypto';
import { type ErrorCode, messageOf, QvacError, toError } from '../../errors.ts';
import { seconds } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { FaultError } from '../../proofs/fault.ts';
import { defaultChallenges, maxAnswerParts, maxTriedProviders } from '../../protocol/constants.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import type { CardModel, Input, SamplerSettings } from '../../protocol/messages.ts';
import type { Discovery, LivePeer } from '../discovery/discovery.ts';
import { modelsNamed } from '../discovery/query.ts';
import { type AnswerExtra, abilitiesFor } from '../job/answer-extra.ts';
import { checkInput } from '../job/bad-input.ts';
import { isBadOffer, RemoteError } from '../job/remote-error.ts';
import { findTooLong } from '../job/too-long.ts';
import type { PayPolicy } from '../payment/channel/channels.ts';
import type { Referees } from '../referees/referees.ts';
import type { RefereeCount } from '../referees/reports.ts';
import { chooseProviders } from '../selection/choose.ts';
import { consideredOf } from '../selection/considered.ts';
import { defaultAuditRate } from '../selection/constants.ts';
import type { Choice, Selection, SelectionCriteria } from '../selection/select.ts';
import type { SelectionStore } from '../selection/selection-store.ts';
import { pricedRefusal } from '../selection/too-dear.ts';
import type { VerifyLevel } from '../verification/verification.ts';
import { type Answer, type AskObserver, faultyAnswer } from './answer.ts';
import type { BrokenPart } from './broken-part.ts';
import { askProvider, type DirectComponents, type DirectOutcome, modeOf } from './direct.ts';
import { type FinishedAnswer, interruptedFinishMs } from './finish.ts';
import { PartedAnswer } from './parted-answer.ts';
import { RefereePlan } from './referee-plan.ts';
import { reachRouter, type WantedRouter } from './routed/reach-router.ts';
import { askRouter } from './routed/routed.ts';
import { SelectionLog } from './selection-log.ts';
import { type Stopwatch, startStopwatch } from './stopwatch.ts';
import { askTogether, type TogetherInit } from './together.ts';

export interface AskComponents extends DirectComponents {
  /** Keeps a record of how each provider was selected. @default none is kept */
  readonly selections?: Pick<SelectionStore, 'save' | 'link'> | undefined;
  /** Jobs that this client has with a peer now, if it asks many questions at once. @default none */
  readonly inFlight?: ((peer: PeerIdString) => number) | undefined;
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'get' | 'refresh'>;
  /** Has other providers score answers. @default none is asked */
  readonly referees?: Referees | null | undefined;
}

export interface AskInit {
  readonly input: Input;
  /** Hex id, `name` or `name/quant`; null: the best live offer. */
  readonly model: string | null;
  readonly sampler: SamplerSettings;
  /** @default nothing beyond the sampler */
  readonly extra?: AnswerExtra | undefined;
  /** Steps of the answer to open, 2 … 256. @default 16 */
  readonly count?: number | undefined;
  /** 32 bytes, to make the answer reproducible; null: random for each provider that begins it. */
  readonly seed: Uint8Array | null;
  /** Null: `full` if the model file is here or the router lists the model, else `sampling`. */
  readonly verify: VerifyLevel | null;
  /**
   * Other providers that may see prompt and answer to check it, if neither this machine nor the router can and
   * `verify` is null, `full` or `optimistic`. @default null: none
   */
  readonly referees?: RefereeCount | null | undefined;
  /** Has three providers answer, and compares them; no router is asked. @default false */
  readonly consensus?: boolean | undefined;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. @default 0.05 */
  readonly auditRate?: number | undefined;
  /** Peer id or multiaddr of the one provider to ask. @default null: the best */
  readonly provider?: string | null | undefined;
  /** The router to ask through. @default null: none */
  readonly router?: WantedRouter | null | undefined;
  /** Lamports. */
  readonly maxPrice: number;
  /** Whether a channel may pay. @default as the wallet's policy says */
  readonly pay?: PayPolicy | undefined;
  /** The most that may be deposited in that channel. @default as the wallet's policy says */
  readonly maxDepositLamports?: bigint | undefined;
  /** From the question to the final head, in ms. */
  readonly timeoutMs: number;
  /** Checks a stopped answer like any other, since no person waits for the checks to end. @default false */
  readonly thorough?: boolean | undefined;
  /** Names the question in its selection record, 24 hex digits. @default null: only an answer has a record */
  readonly request?: string | null | undefined;
}

/**
 * Asks one question: selects a provider, receives and checks the answer, and stores its receipt.
 *
 * ```ts
 * const answer = await ask(components, { input, model: 'smollm2-135m', sampler, seed: null, verify: null, maxPrice: 0,
 * timeoutMs: 600_000 }, observer, { signal });
 * ```
 * @param options `signal` stops it: what was delivered until then is settled, stored and returned as interrupted
 * @throws QvacError with the reason that no provider answered, or that an answer broke off and none continued it
 * (E_TRUNCATED, E_TIMEOUT, E_FAILED)
 */
export async function ask(
  components: AskComponents,
  init: AskInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<Answer> {
  return new Asking(components, init, observer, options).run();
}

/** What ends a round of providers: an answer, or one that broke off after a new token. */
type AskedInTurn = Extract<DirectOutcome, { answer: Answer }> | { readonly answer: null; readonly broken: BrokenPart };

class Asking {
  readonly #components: AskComponents;
  readonly #init: AskInit;
  readonly #observer: AskObserver;
  readonly #options: AbortOptions;
  readonly #stopwatch: Stopwatch = startStopwatch();
  readonly #deadline: number;
  readonly #selectionLog: SelectionLog;
  readonly #plan: RefereePlan;
  /** The providers that this question was sent to. */
  readonly #asked = new Set<PeerIdString>();

  constructor(components: AskComponents, init: AskInit, observer: AskObserver, options: AbortOptions) {
    this.#components = components;
    this.#init = init;
    this.#observer = observer;
    this.#options = options;
    this.#selectionLog = new SelectionLog(
      { selections: components.selections ?? null, clock: components.clock },
      { model: init.model, request: init.request ?? null },
    );
    this.#deadline = performance.now() + init.timeoutMs;
    const { input, sampler, referees: count = null, maxPrice } = init;
    this.#plan = new RefereePlan(components, { input, sampler, count, maxPrice }, observer, options);
  }

  async run(): Promise<Answer> {
    checkInput(this.#init.input);
    try {
      if (this.#init.consensus === true) return await this.#together(new PartedAnswer(this.#init.input, this.#extra));
      const router = await reachRouter(
        this.#components.discovery,
        this.#router,
        (line) => this.#observer.note(line),
        this.#options,
      );
      const parted = new PartedAnswer(this.#init.input, this.#extra);
      const answer = router === null ? await this.#direct(parted) : await this.#throughRouter(router, parted);
      await this.#selectionLog.end(
        answer.receipt === null
          ? `${answer.provider} failed a check: ${answer.why ?? answer.verification.faults.join(', ')}`
          : null,
      );
      return answer;
    } catch (error) {
      await this.#selectionLog.end(messageOf(error));
      throw error;
    }
  }

  /** The router to ask through. A `route` frame has no place for a grammar. @throws QvacError E_USAGE */
  get #router(): WantedRouter | null {
    const { router = null, extra } = this.#init;
    if (router === null || extra?.rules === undefined) return router;
    if (!router.optional)
      throw new QvacError('E_USAGE', 'a question with a grammar cannot go through a router', {
        hint: 'ask a provider directly: --provider <peer>',
      });
    this.#observer.note('a question with a grammar goes to the provider itself, not through the router');
    return null;
  }

  get #timeLeftMs(): number {
    const left = Math.ceil(this.#deadline - performance.now());
    if (left <= 0)
      throw new QvacError('E_TIMEOUT', `no complete answer within ${seconds(this.#init.timeoutMs)}`, {
        hint: 'raise --timeout',
      });
    return left;
  }

  /** If the router is lost in the middle of an answer, the answer goes on without it, unless the person wants it. */
  async #throughRouter(router: LivePeer, parted: PartedAnswer): Promise<Answer> {
    try {
      return await parted.whole(await this.#routed(router, parted));
    } catch (error) {
      const isOptional = this.#init.router?.optional === true;
      const isLate = performance.now() >= this.#deadline || this.#options.signal?.aborted === true;
      if (!isOptional || isLate || !isLost(error)) return this.#unfinished(toError(error), parted);
      if (parted.last === null || parted.count >= maxAnswerParts) return this.#unfinished(error, parted);
      this.#observer.brokeOff?.(router.peer, parted.soFar.shownCount, error.message);
      for (const provider of parted.replaced) this.#asked.add(provider);
      return this.#direct(parted);
    }
  }

  async #routed({ peer: router, card }: LivePeer, parted: PartedAnswer): Promise<Answer | FinishedAnswer> {
    const { input, sampler, maxPrice, verify, timeoutMs: allowedMs } = this.#init;
    const { model, label, held } = await this.#modelForRouter();
    const listed = modelsNamed(card, model);
    const { referees = null } = this.#init;
    const level = verify ?? (listed.length > 0 || held || referees !== null ? 'full' : 'sampling');
    // The router re-executes if it can; the person's own model file is used only if the router has none, and referees
    // are asked only if neither has it.
    const refereeCount = listed.length > 0 ? null : await this.#plan.for({ model, level }, null, 0n);
    const by = listed.length > 0 ? 'router' : held ? 'here' : refereeCount !== null ? 'referees' : 'router';
    const question = {
      router,
      input,
      model,
      label,
      sampler,
      extra: this.#extra,
      count: this.#count,
      seed: this.#seed(),
      maxPrice,
      stopwatch: this.#stopwatch,
      allowedMs,
      parted,
      thorough: this.#init.thorough ?? false,
      auditRate: this.#init.auditRate ?? defaultAuditRate,
    };
    const observer = this.#selectionLog.observing(this.#observer, { router });
    try {
      return await askRouter(
        this.#components,
        { ...question, level, by, refereeCount, timeoutMs: this.#timeLeftMs },
        observer,
        this.#options,
      );
    } catch (error) {
      if (error instanceof QvacError && error.code === 'E_TOO_DEAR')
        throw await this.#priced(error, label, level === 'full' && by === 'router' ? listed : null);
      const withoutModel =
        error instanceof QvacError &&
        error.code === 'E_NO_MODEL' &&
        verify === null &&
        level === 'full' &&
        by === 'router';
      if (!withoutModel) throw error;
      this.#observer.note('the router cannot re-execute what is offered; checking by sampling');
      return askRouter(
        this.#components,
        { ...question, level: 'sampling', by, timeoutMs: this.#timeLeftMs },
        observer,
        this.#options,
      );
    }
  }

  /** @param only the models that the router can re-execute, if it has to; null: any */
  #priced(error: QvacError, label: string, only: readonly CardModel[] | null): Promise<QvacError> {
    const {
      discovery,
      reputation,
      peer: { network },
    } = this.#components;
    const criteria = { ...this.#criteria, only: only === null ? null : new Set(only.map(({ id }) => modelIdHex(id))) };
    return pricedRefusal({ discovery, reputation, network }, criteria, label, error, this.#options);
  }

  /** A router needs a model: without a requested one, that of the best live offer. */
  async #modelForRouter(): Promise<{ readonly model: string; readonly label: string; readonly held: boolean }> {
    const { verifier } = this.#components;
    const { model } = this.#init;
    if (model !== null) return { model, label: model, held: await verifier.holds(model) };
    const [best] = await this.#choose(this.#criteria);
    if (best === undefined) throw noOffer();
    return {
      model: best.modelId,
      label: `${best.model.name} ${best.model.quant}`,
      held: await verifier.holds(best.modelId),
    };
  }

  async #direct(parted: PartedAnswer): Promise<Answer> {
    try {
      const first = parted.last === null ? this.#choose(this.#criteria) : this.#othersFor(parted);
      for (let choices = await first; ; choices = await this.#othersFor(parted)) {
        const attempt = await this.#askInTurn(choices, parted);
        if (attempt.answer !== null) return await parted.whole(attempt.answer);
        this.#takeBroken(attempt.broken, parted);
      }
    } catch (error) {
      return this.#unfinished(toError(error), parted);
    }
  }

  /** Asks one provider after another, until one answers or breaks off. */
  async #askInTurn(choices: readonly Choice[], parted: PartedAnswer): Promise<AskedInTurn> {
    let failure: Error | null = null;
    let fault: { readonly error: FaultError; readonly choice: Choice } | null = null;
    const queue = [...choices];
    const renewed = new Set<PeerIdString>();
    for (let tries = 0; tries < maxTriedProviders && queue.length > 0; tries++) {
      const choice = queue.shift();
      if (choice === undefined) break;
      this.#asked.add(choice.card.peer);
      const attempt = await this.#turnTo(choice, parted);
      if (attempt.answer !== null) return attempt;
      const { broken } = attempt;
      if (broken !== null) return { answer: null, broken };
      failure = attempt.error;
      if (failure instanceof FaultError) fault = { error: failure, choice };
      if (attempt.again === true) {
        queue.unshift(choice);
        continue;
      }
      const fresh = isBadOffer(failure) && !renewed.has(choice.card.peer) ? await this.#renewed(choice) : null;
      renewed.add(choice.card.peer);
      if (fresh !== null) queue.unshift(fresh);
      else {
        this.#selectionLog.turned(choice.card.peer, failure.message);
        if (queue.length > 0) this.#observer.turned(choice.card.peer, failure.message);
      }
    }
    // A caught provider is reported even if a later one was merely busy.
    if (fault !== null) return { answer: this.#caught(fault.error, fault.choice) };
    throw failure ?? noOffer();
  }

  async #together(parted: PartedAnswer): Promise<Answer> {
    const { verifier, referees = null } = this.#components;
    if (referees === null) throw new Error('answers can be compared only by a client with referees');
    const choices = await this.#choose(this.#criteria);
    const [best] = choices;
    if (best === undefined) throw noOffer();
    // One file for all: another quantisation would be another answer.
    const same = choices.filter(({ modelId }) => modelId === best.modelId);
    const { modelId } = best;
    const init: TogetherInit = {
      choices: same,
      question: { ...this.#question(), soFar: parted.soFar, earlier: parted.totals, seed: this.#seed() },
      refereeCount: await this.#plan.for({ model: modelId, level: 'full' }, null, 0n),
      maxPrice: this.#init.maxPrice,
      observing: (observer, { card }) => this.#selectionLog.observing(observer, { provider: card.peer }),
    };
    verifier.prepare(modelId, 'full');
    const answer = await askTogether({ ...this.#components, referees }, init, this.#observer, this.#options);
    await this.#selectionLog.end(null);
    return answer;
  }

  /** What is the same for every provider that is asked, but the seed. */
  #question(): Omit<TogetherInit['question'], 'seed' | 'soFar' | 'earlier'> {
    const { input, sampler, pay, thorough = false, auditRate = defaultAuditRate, timeoutMs } = this.#init;
    const { maxDepositLamports } = this.#init;
    return {
      input,
      sampler,
      extra: this.#extra,
      count: this.#count,
      pay,
      maxDepositLamports,
      auditRate,
      timeouts: { totalMs: this.#timeLeftMs, allowedMs: timeoutMs },
      stopwatch: this.#stopwatch,
      thorough,
    };
  }

  /** @throws its error if no other provider may continue the answer */
  #takeBroken(broken: BrokenPart, parted: PartedAnswer): void {
    const { answer, error } = broken;
    const isContinuable = parted.add(broken);
    this.#selectionLog.turned(answer.provider, error.message);
    const isLate = performance.now() >= this.#deadline || this.#options.signal?.aborted === true;
    if (!isContinuable || isLate || parted.count === maxAnswerParts || (this.#init.provider ?? null) !== null)
      throw error;
    this.#observer.brokeOff?.(answer.provider, parted.soFar.shownCount, error.message);
  }

  /** Providers of the same model that can go on behind the last token that was shown, those of its class first. */
  async #othersFor(parted: PartedAnswer): Promise<readonly Choice[]> {
    const { input, sampler } = parted.soFar.rest(this.#init.input, this.#init.sampler);
    const choices = await this.#choose({
      ...this.#criteria,
      model: parted.last?.answer.model.id,
      promptTokens: promptTokenBound(input),
      maxTokens: sampler.maxTokens,
      maxPrice: this.#priceLeft(parted),
      except: this.#asked,
      preferredClass: parted.last?.job.offer.execClass,
    });
    // If a router was lost, the provider behind it may have been, too.
    const isLast = ({ card }: Choice): boolean => card.peer === parted.last?.answer.provider;
    return choices.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)));
  }

  #priceLeft(parted: PartedAnswer): number {
    return Math.max(0, this.#init.maxPrice - Number(parted.mostLamports));
  }

  /** @throws `error` if nothing was shown; else as `PartedAnswer.unfinished` */
  async #unfinished(error: Error, parted: PartedAnswer): Promise<Answer> {
    if (parted.last === null || !(error instanceof QvacError)) throw error;
    if (this.#options.signal?.aborted === true) {
      await parted.settled(interruptedFinishMs);
      throw error;
    }
    if (error !== parted.last.error) this.#observer.note(`no other provider continues the answer: ${error.message}`);
    return parted.unfinished(parted.last.error);
  }

  async #turnTo(choice: Choice, parted: PartedAnswer): Promise<DirectOutcome> {
    const { input, sampler } = parted.soFar.rest(this.#init.input, this.#init.sampler);
    const maxPrice = this.#priceLeft(parted);
    const { model, modelId, card } = choice;
    const tooLong = await findTooLong(
      this.#components.verifier,
      { peer: card.peer, model, modelId },
      input,
      sampler.maxTokens,
    );
    if (tooLong !== null) return { answer: null, error: tooLong, broken: null };
    const level = await this.#levelFor(choice);
    const refereeCount = await this.#plan.for({ model: modelId, level }, card, choice.priceLamports);
    if (level === 'sampling' || level === 'full') this.#components.verifier.prepare(choice.modelId, level);
    const outcome = await askProvider(
      this.#components,
      {
        ...this.#question(),
        input,
        sampler,
        soFar: parted.soFar,
        earlier: parted.totals,
        choice,
        maxPrice,
        seed: parted.last?.job.offer.seed ?? this.#seed(),
        level,
        refereeCount,
      },
      this.#selectionLog.observing(this.#observer, { provider: choice.card.peer }),
      this.#options,
    );
    if (outcome.answer !== null) this.#components.reputation.answered(card.peer, modelId, this.#init.input);
    return outcome;
  }

  async #levelFor({ modelId }: Choice): Promise<VerifyLevel> {
    const { verify, referees = null } = this.#init;
    return verify ?? (referees !== null || (await this.#components.verifier.holds(modelId)) ? 'full' : 'sampling');
  }

  #choose(criteria: SelectionCriteria): Promise<readonly Choice[]> {
    const { discovery, reputation, payments = null, inFlight, peer } = this.#components;
    const onSelection = (selection: Selection): void => {
      this.#selectionLog.considered = consideredOf(selection);
    };
    return chooseProviders(
      { discovery, reputation, payments, network: peer.network, inFlight, onSelection },
      criteria,
      this.#init.provider ?? null,
      this.#options,
    );
  }

  get #criteria(): SelectionCriteria {
    const { model, input, sampler, maxPrice, verify } = this.#init;
    return {
      model: model ?? undefined,
      mode: modeOf(verify),
      promptTokens: promptTokenBound(input),
      maxTokens: sampler.maxTokens,
      maxPrice,
      only: null,
      knownShare: this.#components.reputation.knownShareOf(input),
      needs: abilitiesFor(input, this.#extra),
    };
  }

  /** The same provider by its current card, if that is newer: class and prices change. */
  async #renewed({ card }: Choice): Promise<Choice | null> {
    const { discovery, reputation, payments = null, peer } = this.#components;
    try {
      const live = await discovery.refresh(card.peer, this.#options);
      if (live.card.seq <= card.card.seq) return null;
      const [choice] = await chooseProviders(
        { discovery, reputation, payments, network: peer.network },
        this.#criteria,
        card.peer,
        this.#options,
      );
      return choice ?? null;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (error instanceof QvacError) return null;
      throw error;
    }
  }

  get #extra(): AnswerExtra {
    return this.#init.extra ?? {};
  }

  get #count(): number {
    return this.#init.count ?? defaultChallenges;
  }

  #seed(): Uint8Array {
    return this.#init.seed ?? Uint8Array.from(randomBytes(32));
  }

  #caught(error: FaultError, { card, model, modelId }: Choice): Answer {
    const base = {
      text: '',
      tokens: 0,
      finish: null,
      provider: card.peer,
      router: null,
      model: { name: model.name, quant: model.quant, id: modelId },
    };
    return faultyAnswer({ ...base, level: this.#init.verify ?? 'sampling', timing: this.#stopwatch.read() }, error);
  }
}

/** Failures of a router that say nothing about the question. */
function isLost(error: unknown): error is QvacError {
  if (error instanceof RemoteError) return error.remote === 'failed' || error.remote === 'internal';
  return error instanceof QvacError && lostCodes.has(error.code);
}

const lostCodes: ReadonlySet<ErrorCode> = new Set(['E_TRUNCATED', 'E_TIMEOUT', 'E_NETWORK']);

function noOffer(): QvacError {
  return new QvacError('E_NO_PROVIDER', 'no provider offers a model now', { hint: 'qvac peers' });
}
