import { QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { FrameOf, RouteFrame } from '../../protocol/frames.ts';
import { maxRouteProviders } from '../../protocol/constants.ts';
import { requestDigestOf } from '../../protocol/digests.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';
import type { VerifiedCard } from '../cards.ts';
import type { Discovery } from '../discovery.ts';
import { openJob } from '../client/job.ts';
import type { Job, SignedQuote } from '../client/job.ts';
import { fetchQuote } from '../client/quote.ts';
import type { Peer } from '../peer.ts';
import { Attempt } from './attempt.ts';
import type { AttemptEnd } from './attempt.ts';
import type { Commits } from './commits.ts';
import { findTimeoutMs, maxProbes, maxRouteTimeoutMs } from './constants.ts';
import type { InFlight } from './in-flight.ts';
import type { Person } from './person.ts';
import type { Probes } from './probes.ts';
import type { Reputation } from '../client/reputation.ts';
import { select } from '../client/select.ts';
import type { Choice, Exclusion, Selection, Wish } from '../client/select.ts';
import { settle } from './settle.ts';
import type { SettleComponents } from './settle.ts';

export interface QuestionComponents extends SettleComponents {
  readonly peer: Peer;
  readonly discovery: Pick<Discovery, 'live' | 'find'>;
  readonly probes: Probes;
  readonly reputation: Reputation;
  /** Jobs in progress, by provider. */
  readonly jobs: InFlight;
  readonly commits: Commits;
}

/** How a question ended: answered and checked, or an error that the person's client was told. */
export type QuestionEnd =
  | { readonly kind: 'answered'; readonly job: Job; readonly assessment: Assessment; readonly finish: number; readonly tries: number; readonly totalMs: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** A provider with one of its slots, until it is released. */
interface Reserved {
  readonly choice: Choice;
  readonly release: () => void;
}

/** What the person's client is told where there is no answer. `busy` is a frame of its own. */
class RouteFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** One question of one person's client, from its `route` frame to the receipt. */
export class Question {
  readonly #components: QuestionComponents;
  readonly #route: RouteFrame;
  readonly #person: Person;
  readonly #wish: Wish;
  readonly #signal: AbortSignal;
  readonly #deadline: AbortSignal;
  readonly #deadlineAt: number;
  /** Stop, time-out, or the end of the router: whatever ends the search for a provider. */
  readonly #over: AbortSignal;
  readonly #turnedTo = new Set<PeerIdString>();
  #tries = 0;
  #lastFailure: RouteFailure | null = null;

  constructor(components: QuestionComponents, route: RouteFrame, person: Person, signal: AbortSignal) {
    const timeoutMs = Math.min(route.timeout, maxRouteTimeoutMs);
    this.#components = components;
    this.#route = route;
    this.#person = person;
    this.#signal = signal;
    this.#deadline = AbortSignal.timeout(timeoutMs);
    this.#deadlineAt = components.clock.now() + timeoutMs;
    this.#over = AbortSignal.any([signal, this.#deadline, person.stopped]);
    this.#wish = {
      model: route.model,
      mode: route.mode,
      promptTokens: promptTokenBound(route.input),
      maxTokens: route.sampler.maxTokens,
      maxPrice: route.maxPrice,
      only: route.verify === 'full' ? components.verifier.models : null,
    };
  }

  /** Tells the person's client how it ends. Never throws. */
  async run(): Promise<QuestionEnd> {
    try {
      return await this.#answer();
    } catch (error) {
      const failure = this.#failureOf(error);
      if (failure.code === 'busy') {
        await this.#person.send({ t: 'busy' });
        await this.#person.end();
      } else await this.#person.fail(failure.code, failure.message);
      return { kind: 'failed', code: failure.code, message: failure.message };
    }
  }

  #failureOf(error: unknown): RouteFailure {
    if (error instanceof RouteFailure) return error;
    if (this.#signal.aborted) return new RouteFailure('failed', 'the router is stopping');
    if (this.#deadline.aborted) return new RouteFailure('timeout', 'no whole answer in time');
    if (this.#person.stopped.aborted) return new RouteFailure('stopped', 'stopped before a provider accepted');
    this.#components.logger.error('a question failed', { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    return new RouteFailure('internal', 'the router failed');
  }

  async #answer(): Promise<QuestionEnd> {
    for (let probes = 0; probes < maxProbes && this.#tries < maxRouteProviders; probes++) {
      const next = await this.#next();
      if (next === null) break;
      const answered = await this.#turnTo(next);
      if (answered !== null) return answered;
    }
    throw this.#lastFailure ?? new RouteFailure('no-provider', `nobody offers ${this.#route.model} here`);
  }

  /** The best provider that was not asked yet, with one of its slots, once it has one for us; null where none is left. */
  async #next(): Promise<Reserved | null> {
    for (;;) {
      this.#over.throwIfAborted();
      const selection = await this.#candidates();
      const left = selection.choices.filter((choice) => this.#isOpen(choice));
      if (left.length === 0) {
        if (this.#turnedTo.size === 0) throw this.#refusal(selection);
        return null;
      }
      const free = left.find(({ card, model }) => this.#components.jobs.of(card.peer) < model.slots);
      // Counted at once: others wait for the same slot.
      if (free !== undefined) return { choice: free, release: this.#components.jobs.add(free.card.peer) };
      await raceSignal(this.#components.jobs.changed, this.#over);
    }
  }

  /** Whether it was not asked yet, and never saw this commit. */
  #isOpen({ card }: Choice): boolean {
    return !this.#turnedTo.has(card.peer) && !this.#components.commits.has(this.#route.commit, card.peer);
  }

  async #candidates(): Promise<Selection> {
    const { discovery } = this.#components;
    const known = this.#select(discovery.live());
    if (known.choices.length > 0 || this.#turnedTo.size > 0) return known;
    try {
      const enough = (found: readonly VerifiedCard[]): boolean => this.#select(found).choices.length > 0;
      return this.#select(await discovery.find({ model: this.#route.model, role: 'provider' }, { signal: this.#over, enough, timeoutMs: findTimeoutMs }));
    } catch (error) {
      if (error instanceof QvacError && !this.#over.aborted) return known;
      throw error;
    }
  }

  #select(cards: readonly VerifiedCard[]): Selection {
    const { reputation, jobs, peer } = this.#components;
    const others = cards.filter((card) => card.peer !== peer.id);
    return select({ reputation, inFlight: (id) => jobs.of(id) }, others, this.#wish);
  }

  /** Why nobody can be asked, from why each one cannot. */
  #refusal({ excluded }: Selection): RouteFailure {
    const why = new Set<Exclusion>(excluded.map((each) => each.why));
    const { model, verify } = this.#route;
    const detail = excluded.find((each) => each.why === 'standing')?.detail;
    if (why.has('too-dear')) return new RouteFailure('too-dear', `every offer of ${model} may cost more than ${this.#route.maxPrice} lamports`);
    if (why.has('pay')) return new RouteFailure('limit', `every offer of ${model} wants to be paid, and this router pays nobody`);
    if (verify === 'full' && (why.has('not-held') || this.#components.verifier.models.size === 0)) return new RouteFailure('no-model', `this router holds no file of ${model} to re-execute`);
    return new RouteFailure('no-provider', detail === undefined ? `nobody offers ${model} here` : `the only offer of ${model} is not used: ${detail}`);
  }

  /** @returns null where another provider may be asked */
  async #turnTo({ choice, release }: Reserved): Promise<QuestionEnd | null> {
    const { reputation } = this.#components;
    const { peer } = choice.card;
    this.#turnedTo.add(peer);
    try {
      const fresh = await this.#probe(choice);
      if (fresh === null) return null;
      const job = await this.#offer(fresh);
      if (job === null) return null;
      const end = await new Attempt({ job, person: this.#person, clock: this.#components.clock, deadline: this.#deadline, firstTokenMs: this.#firstTokenMs() }).run();
      release();
      return await this.#conclude(end, job, fresh);
    } catch (error) {
      if (error instanceof QvacError && !this.#over.aborted) {
        reputation.record(peer, { kind: error.code === 'E_BUSY' ? 'busy' : 'aborted' });
        this.#lastFailure = failureFor(error);
        return null;
      }
      throw error;
    } finally {
      release();
    }
  }

  /**
   * The choice with the provider's card of this moment. A dead or frozen one is found out here, before the input goes
   * to it, and an offer never names a class or a price of yesterday.
   */
  async #probe(choice: Choice): Promise<{ readonly choice: Choice; readonly quote: SignedQuote | null } | null> {
    const { probes, reputation } = this.#components;
    try {
      const card = await raceSignal(probes.card(choice.card.peer), this.#over);
      const selection = this.#select([card]);
      const fresh = selection.choices[0];
      if (fresh === undefined) {
        this.#lastFailure = this.#refusal(selection);
        return null;
      }
      return { choice: fresh, quote: fresh.priceLamports === 0n ? null : await this.#quote(fresh) };
    } catch (error) {
      this.#over.throwIfAborted();
      reputation.record(choice.card.peer, { kind: 'aborted' });
      this.#lastFailure = new RouteFailure('failed', error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #quote({ card, model }: Choice): Promise<SignedQuote> {
    const { promptTokens, maxTokens } = this.#wish;
    const request = { card, model, requestDigest: requestDigestOf(this.#route.input), promptTokens, maxTokens };
    return fetchQuote({ peer: this.#components.peer, clock: this.#components.clock }, request, { signal: this.#over });
  }

  async #offer({ choice, quote }: { readonly choice: Choice; readonly quote: SignedQuote | null }): Promise<Job | null> {
    const { peer, clock, logger, commits } = this.#components;
    const { input, sampler, seed, commit, count, mode } = this.#route;
    commits.add(commit, choice.card.peer);
    this.#tries += 1;
    // The attempt itself watches the time to the first token, and the deadline the whole.
    const timeouts = { firstTokenMs: maxRouteTimeoutMs, totalMs: maxRouteTimeoutMs };
    const job = await openJob({ peer, clock, logger }, { card: choice.card, model: choice.model, input, sampler, seed, commit, count, mode, quote, timeouts }, { signal: this.#over });
    await this.#person.send(pickedFrame(job, choice.card, quote), { signal: this.#deadline });
    return job;
  }

  /** While others may be asked, one that gives no token has half of the time that is left. */
  #firstTokenMs(): number {
    const leftMs = Math.max(1, this.#deadlineAt - this.#components.clock.now());
    const others = this.#tries < maxRouteProviders && this.#select(this.#components.discovery.live()).choices.some((choice) => this.#isOpen(choice));
    return others ? Math.ceil(leftMs / 2) : leftMs;
  }

  async #conclude(end: AttemptEnd, job: Job, { choice }: { readonly choice: Choice }): Promise<QuestionEnd | null> {
    const { reputation } = this.#components;
    const { peer } = choice.card;
    switch (end.kind) {
      case 'final': {
        const { n, finish } = end.head;
        reputation.record(peer, { kind: 'served', model: choice.modelId, n, firstTokenMs: end.firstTokenMs, totalMs: end.totalMs });
        const assessment = await this.#settle(job);
        this.#learn(peer, assessment);
        await this.#person.end();
        return { kind: 'answered', job, assessment, finish, tries: this.#tries, totalMs: end.totalMs };
      }
      case 'left':
        reputation.record(peer, end.experience);
        this.#lastFailure = failureFor(end.error);
        return null;
      case 'broken':
        reputation.record(peer, end.experience);
        throw new RouteFailure('failed', end.error.message);
      case 'bad-input':
        throw new RouteFailure('bad-input', end.error.message);
      case 'stopped':
        throw new RouteFailure('stopped', 'stopped before the provider accepted');
      case 'timeout':
        if (end.experience !== null) reputation.record(peer, end.experience);
        throw new RouteFailure('timeout', 'no whole answer in time');
    }
  }

  #settle(job: Job): Promise<Assessment> {
    const { commit, mode, verify } = this.#route;
    return settle(this.#components, { job, person: this.#person, commit, challenged: mode === 'merkle', depth: verify, signal: this.#signal });
  }

  #learn(peer: PeerIdString, { result, tier, faults }: Assessment): void {
    const [fault] = faults;
    if (result === 'fail' && fault !== undefined) this.#components.reputation.record(peer, { kind: 'fault', fault });
    else if (result === 'pass' && (tier === 'exact' || tier === 'statistical')) this.#components.reputation.record(peer, { kind: 'verified' });
  }
}

function failureFor(error: Error): RouteFailure {
  return error instanceof QvacError && error.code === 'E_BUSY' ? new RouteFailure('busy', error.message) : new RouteFailure('failed', error.message);
}

function pickedFrame(job: Job, card: VerifiedCard, quote: SignedQuote | null): FrameOf<'picked'> {
  return {
    t: 'picked',
    offer: job.offerSigned.body,
    offerSig: job.offerSigned.sig,
    quote: quote?.signed.body ?? null,
    quoteSig: quote?.signed.sig ?? null,
    card: card.body,
    cardSig: card.sig,
  };
}
