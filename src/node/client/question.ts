import { randomBytes } from 'node:crypto';
import { QvacError } from '../../errors.ts';
import { seconds } from '../../lib/names.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { defaultChallenges } from '../../protocol/constants.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import { modes } from '../../protocol/messages.ts';
import { type AnswerExtra, abilitiesFor } from '../job/answer-extra.ts';
import { type ChooseComponents, chooseProviders } from '../selection/choose.ts';
import { consideredOf } from '../selection/considered.ts';
import { defaultAuditRate } from '../selection/constants.ts';
import type { Choice, Selection, SelectionCriteria } from '../selection/select.ts';
import { modeOf } from '../verification/verification.ts';
import type { AskObserver } from './answer.ts';
import type { AskComponents, AskInit } from './ask-init.ts';
import type { DirectInit } from './direct/direct-init.ts';
import { RefereePlan } from './referee-plan.ts';
import { SelectionLog } from './selection-log.ts';
import { type Stopwatch, startStopwatch } from './stopwatch.ts';

/** What is the same for every provider that one question is sent to. */
export type SharedDirectInit = Pick<
  DirectInit,
  'extra' | 'count' | 'pay' | 'maxDepositLamports' | 'auditRate' | 'timeouts' | 'stopwatch' | 'thorough'
>;

/** One question from its start to its answer: what was asked, the time that is left, and the offers that suit it. */
export class Question {
  readonly components: AskComponents;
  readonly init: AskInit;
  readonly observer: AskObserver;
  readonly options: AbortOptions;
  readonly stopwatch: Stopwatch = startStopwatch();
  readonly selectionLog: SelectionLog;
  readonly refereePlan: RefereePlan;
  readonly #deadline: number;

  constructor(components: AskComponents, init: AskInit, observer: AskObserver, options: AbortOptions) {
    this.components = components;
    this.init = init;
    this.observer = observer;
    this.options = options;
    this.selectionLog = new SelectionLog(
      { selections: components.selections ?? null, clock: components.clock },
      { model: init.model, request: init.request ?? null },
    );
    this.#deadline = performance.now() + init.timeoutMs;
    const { input, sampler, referees: count = null, maxPrice } = init;
    this.refereePlan = new RefereePlan(components, { input, sampler, count, maxPrice }, observer, options);
  }

  /** Until the final head has to be there, in ms. @throws QvacError E_TIMEOUT if that is now */
  get timeLeftMs(): number {
    const left = Math.ceil(this.#deadline - performance.now());
    if (left <= 0)
      throw new QvacError('E_TIMEOUT', `no complete answer within ${seconds(this.init.timeoutMs)}`, {
        hint: 'raise --timeout',
      });
    return left;
  }

  /** Whether no provider may be asked any more: the time is up, or the person stopped the question. */
  get isOver(): boolean {
    return performance.now() >= this.#deadline || this.options.signal?.aborted === true;
  }

  get extra(): AnswerExtra {
    return this.init.extra ?? {};
  }

  /** Steps to open. */
  get count(): number {
    return this.init.count ?? defaultChallenges;
  }

  get auditRate(): number {
    return this.init.auditRate ?? defaultAuditRate;
  }

  /** The person's, or another one at each call. */
  seed(): Uint8Array {
    return this.init.seed ?? Uint8Array.from(randomBytes(32));
  }

  /** @throws QvacError E_TIMEOUT if no time is left */
  sharedDirectInit(): SharedDirectInit {
    const { pay, maxDepositLamports, thorough = false, timeoutMs } = this.init;
    return {
      extra: this.extra,
      count: this.count,
      pay,
      maxDepositLamports,
      auditRate: this.auditRate,
      timeouts: { totalMs: this.timeLeftMs, allowedMs: timeoutMs },
      stopwatch: this.stopwatch,
      thorough,
    };
  }

  get criteria(): SelectionCriteria {
    const { model, input, sampler, maxPrice, verify } = this.init;
    const embeds = input.template === 'embed';
    return {
      model: model ?? undefined,
      embeds,
      mode: embeds ? modes.none : modeOf(verify),
      promptTokens: promptTokenBound(input),
      maxTokens: sampler.maxTokens,
      maxPrice,
      only: null,
      knownShare: this.components.reputation.knownShareOf(input),
      needs: abilitiesFor(input, { hasGrammar: this.extra.rules !== undefined }),
    };
  }

  get chooseComponents(): ChooseComponents {
    const { discovery, reputation, payments = null, peer } = this.components;
    return { discovery, reputation, payments, network: peer.network };
  }

  /** The offers that meet `criteria`, best first; only those of the provider that the person named, if any. */
  choose(criteria: SelectionCriteria): Promise<readonly Choice[]> {
    const { inFlight } = this.components;
    const onSelection = (selection: Selection): void => {
      this.selectionLog.considered = consideredOf(selection);
    };
    const components = { ...this.chooseComponents, inFlight, onSelection };
    return chooseProviders(components, criteria, this.init.provider ?? null, this.options);
  }
}

/** No provider has an offer that suits the question. */
export function noOffer(): QvacError {
  return new QvacError('E_NO_PROVIDER', 'no provider offers a model now', { hint: 'qvac peers' });
}
