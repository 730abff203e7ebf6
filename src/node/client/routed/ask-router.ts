import { randomBytes } from 'node:crypto';
import { QvacError, toError } from '../../../errors.ts';
import type { Logger } from '../../../lib/log.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import type { Assessment } from '../../../proofs/checks.ts';
import { FaultError } from '../../../proofs/fault.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import type { Received } from '../../../proofs/received.ts';
import { signBody } from '../../../proofs/signing.ts';
import { isDrawnForAudit } from '../../../proofs/tree/challenge.ts';
import { verdictOf } from '../../../proofs/verdict.ts';
import { modelIdHex } from '../../../protocol/digests.ts';
import { type FaultCode, type Input, kinds, type SamplerSettings, type Verdict } from '../../../protocol/messages.ts';
import { encodeVerdict } from '../../../protocol/validate.ts';
import { type AnswerExtra, routedExtra } from '../../job/answer-extra.ts';
import { costOf, type DeliveredCounts, payableTokens } from '../../job/cost.ts';
import type { Peer } from '../../peer/peer.ts';
import { refereed } from '../../referees/referees.ts';
import type { PanelResult, RefereeCount } from '../../referees/reports.ts';
import { ownPart } from '../../verification/doubt.ts';
import type { LocalVerifier } from '../../verification/local-verifier.ts';
import {
  faultyVerification,
  isRecomputed,
  modeOf,
  type Verification,
  type VerifyLevel,
  verificationOf,
} from '../../verification/verification.ts';
import {
  type Answer,
  type AnswerModel,
  type AskObserver,
  type AuditDraw,
  type DeliveredAnswer,
  faultyAnswer,
  reasonFor,
} from '../answer.ts';
import { endBroken } from '../broken-part.ts';
import { type FinishedAnswer, interruptedFinishMs } from '../finish.ts';
import type { PartedAnswer } from '../parted-answer.ts';
import { askPanel, type RecomputeComponents } from '../recompute.ts';
import type { Stopwatch } from '../stopwatch.ts';
import type { Picked } from './picked.ts';
import type { RouteConclusion, RoutedJob, RoutedPart, RouteNews } from './route.ts';
import { openRoute, type RouteComponents } from './streamed-route.ts';

export interface RoutedComponents extends RouteComponents, RecomputeComponents {
  readonly peer: Peer;
  readonly verifier: LocalVerifier;
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

export interface RoutedInit {
  readonly router: PeerIdString;
  readonly input: Input;
  /** Hex id, `name` or `name/quant`. */
  readonly model: string;
  /** The model's name for people. */
  readonly label: string;
  readonly sampler: SamplerSettings;
  readonly extra: AnswerExtra;
  /** Steps to open. */
  readonly count: number;
  readonly seed: Uint8Array;
  readonly level: VerifyLevel;
  /** What re-executes the answer at level `full`: the router, this machine, or referees that this client asks. */
  readonly by: 'router' | 'here' | 'referees';
  /** @default null: none */
  readonly refereeCount?: RefereeCount | null | undefined;
  /** How likely an answer is audited at level `optimistic`, 0 … 1; the router, too, audits by its own records. */
  readonly auditRate: number;
  readonly maxPrice: number;
  /** From now to the final head, and the person's limit for the whole question. */
  readonly timeoutMs: number;
  readonly allowedMs: number;
  readonly stopwatch: Stopwatch;
  /** Takes the parts that broke off: also the last one, if the router itself fails. */
  readonly parted: PartedAnswer;
  /** Checks a stopped answer like any other. */
  readonly thorough: boolean;
}

/** What the judgement of an answer depends on, besides its receipt. */
interface Judging {
  readonly picked: Picked;
  readonly audit: AuditDraw | null;
  readonly interrupted: boolean;
  /** Whether it is to be re-executed. */
  readonly isFull: boolean;
}

/** The reported verification of an answer. */
interface Judged {
  /** This client's assessment; null if the router's verdict is reported instead. */
  readonly own: Assessment | null;
  /** As of `FinishedAnswer`. */
  readonly faultBefore: FaultCode | null;
  readonly verification: Verification;
  readonly why: string | null;
  /** What the referees found that this client asked. @default null: none were asked */
  readonly panel?: PanelResult | null | undefined;
}

/**
 * Asks one question through a router, checks the answer and stores its receipt.
 * @param options `signal` stops it: what was delivered until then is returned
 * @returns the part of the last provider, which `parted` completes
 * @throws QvacError that the router sent; E_BAD_PEER if it broke a rule, E_INTERRUPTED if nothing was delivered
 */
export async function askRouter(
  components: RoutedComponents,
  init: RoutedInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<Answer | FinishedAnswer> {
  return new RoutedQuestion(components, init, observer, options.signal ?? new AbortController().signal).run();
}

class RoutedQuestion {
  readonly #components: RoutedComponents;
  readonly #init: RoutedInit;
  readonly #observer: AskObserver;
  readonly #signal: AbortSignal;
  readonly #secret = Uint8Array.from(randomBytes(32));
  #stoppedAt: number | null = null;

  constructor(components: RoutedComponents, init: RoutedInit, observer: AskObserver, signal: AbortSignal) {
    this.#components = components;
    this.#init = init;
    this.#observer = observer;
    this.#signal = signal;
  }

  async run(): Promise<Answer | FinishedAnswer> {
    const { router, level, label } = this.#init;
    this.#observer.sending({ kind: 'router', peer: router, model: label, priceLamports: null, level });
    const job = await this.#open();
    try {
      await this.#receive(job);
    } catch (error) {
      job.abort(toError(error));
      if (this.#signal.aborted) throw new QvacError('E_INTERRUPTED', 'stopped', { cause: error });
      if (error instanceof FaultError && job.picked !== null) return this.#faulty(job, job.picked, error);
      if (error instanceof QvacError) this.#takeLast(job, error);
      throw error;
    }
    return this.#finish(job);
  }

  /** The router leaves the question, with what its last provider had shown. */
  #takeLast(job: RoutedJob, error: QvacError): void {
    const { picked, soFar } = job;
    // Before the first choice nothing was received.
    if (picked === null || job.received.n <= soFar.redrawn.tokens.length) return;
    this.#takeBroken({ picked, received: job.received }, error);
  }

  #takeBroken({ picked, received }: RoutedPart, error: QvacError): void {
    const { parted, level, by, stopwatch, extra } = this.#init;
    const { verifier, receipts, clock, logger, peer } = this.#components;
    const components = { verifier, receipts, clock, logger, key: peer.key, reputation: null };
    const ending = endBroken(components, {
      job: { jobId: received.jobId, provider: picked.provider, received },
      modelId: modelIdHex(picked.model.id),
      continuation: picked.input.continuation,
      hasMarkers: extra.markers === true,
      level: level === 'full' && by === 'router' ? 'sampling' : level,
      abandoned: Promise.resolve(null),
    });
    const answer = { ...this.#answerOf({ picked, received }), level, timing: stopwatch.read() };
    const job = { offer: picked.offer, received, ackedTokens: received.n };
    parted.add({ job, error, answer, ending });
  }

  #open(): Promise<RoutedJob> {
    const { router, input, model, sampler, extra, count, seed, level, by, maxPrice, timeoutMs, allowedMs } = this.#init;
    const verify = level === 'full' && by === 'router' ? 'full' : 'sampling';
    const mode = modeOf(level);
    const secret = this.#secret;
    const route = {
      router,
      input,
      model,
      sampler: { ...sampler, extra: routedExtra(extra) },
      grammar: extra.rules ?? null,
      seed,
      secret,
      count,
      mode,
      verify,
      maxPrice,
      timeouts: { totalMs: timeoutMs, allowedMs },
    } as const;
    return openRoute(this.#components, route, { signal: this.#signal });
  }

  async #receive(job: RoutedJob): Promise<void> {
    const stop = (): void => {
      this.#stoppedAt = job.picked === null ? 0 : job.received.n;
      job.stop().catch((error: unknown) => job.abort(toError(error)));
    };
    this.#signal.addEventListener('abort', stop);
    try {
      if (this.#signal.aborted) stop();
      for await (const news of job.frames()) {
        if (news.t === 'picked') this.#reportPicked(news);
        if (news.t === 'accept' && job.picked !== null && job.soFar.previous === null)
          this.#observer.accepted?.(job.received.promptTokens.length, modelOf(job.picked), job.received.tail);
        if (news.t === 'progress') this.#observer.prompted?.(news.done, news.total);
        if (news.t !== 'tokens') continue;
        this.#init.stopwatch.tokens(job.soFar.start + job.received.n);
        await this.#observer.text(news.text);
      }
    } finally {
      this.#signal.removeEventListener('abort', stop);
    }
  }

  #reportPicked({ picked, broken }: Extract<RouteNews, { readonly t: 'picked' }>): void {
    const { parted } = this.#init;
    if (broken !== null) {
      const error = new QvacError('E_TRUNCATED', `${shortPeer(broken.picked.provider)} broke off`);
      this.#takeBroken(broken, error);
      this.#observer.brokeOff?.(broken.picked.provider, parted.soFar.shownCount, 'the router left it');
    }
    this.#observer.picked(picked.card.peer, modelOf(picked), picked.offer.payment.amountLamports);
  }

  async #finish(job: RoutedJob): Promise<FinishedAnswer> {
    const { level, stopwatch, thorough } = this.#init;
    const { picked } = job;
    if (picked === null) throw new Error('an answer without a provider');
    const interrupted = this.#signal.aborted && !thorough;
    const timing = stopwatch.read();
    this.#reportDelivered(job, picked);
    const audit = interrupted ? null : this.#drawAudit(job);
    // A stopped optimistic answer is taken on trust.
    const isTrusted = level === 'optimistic' && audit?.isDrawn !== true;
    if (level !== 'none' && !isTrusted) this.#observer.checking(level);
    const conclusion = await this.#conclude(job, { interrupted, isTrusted });
    const judging = {
      picked,
      audit,
      interrupted,
      isFull: !interrupted && !isTrusted && (level === 'full' || level === 'optimistic'),
    };
    const { own, faultBefore, verification, why, panel = null } = await this.#judge(conclusion, judging);
    const receipt = own === null ? conclusion.receipt : this.#signed(own, conclusion.receipt, job);
    const storeError = await this.#components.receipts.save(receipt).then(
      () => null,
      (error: unknown) => toError(error),
    );
    await panel?.concluded;
    return {
      ...this.#answerOf({ picked, received: job.received }),
      earlier: [],
      level,
      verification,
      faultBefore,
      atFault: verification.result === 'fail' ? picked.card.peer : null,
      audit,
      consensus: null,
      referees: panel?.referees ?? [],
      why,
      receipt: job.received.jobId,
      storeError,
      timing,
      payment: null,
      tooLate: false,
      interrupted: this.#signal.aborted,
    };
  }

  /** The draw for an audit of an optimistic answer; null at the other levels. */
  #drawAudit({ received: { final } }: RoutedJob): AuditDraw | null {
    const { level, auditRate: rate } = this.#init;
    if (level !== 'optimistic' || final === null) return null;
    return { rate, isDrawn: isDrawnForAudit(final.root, this.#secret, rate) };
  }

  #reportDelivered(job: RoutedJob, picked: Picked): void {
    const { final, promptTokens, jobId } = job.received;
    const { tokens, costLamports } = this.#answerOf({ picked, received: job.received });
    const { totals } = this.#init.parted;
    if (final !== null)
      this.#observer.delivered?.({
        finish: final.finish,
        promptTokens: promptTokens.length - totals.tokens,
        tokens: totals.tokens + tokens,
        payableTokens: totals.payableTokens + payableTokens(picked.offer, this.#countsOf(job.received)),
        costLamports: totals.costLamports + costLamports,
        receipt: jobId,
      });
  }

  /** Takes what the router adds; if it breaks off, the receipt holds what was received until then. */
  async #conclude(
    job: RoutedJob,
    { interrupted, isTrusted }: { readonly interrupted: boolean; readonly isTrusted: boolean },
  ): Promise<RouteConclusion & { readonly fault: FaultError | null }> {
    try {
      return {
        ...(await job.conclude({
          isTrusted,
          signal: interrupted ? AbortSignal.timeout(interruptedFinishMs) : undefined,
        })),
        fault: null,
      };
    } catch (error) {
      if (!interrupted && !(error instanceof QvacError) && !(error instanceof FaultError)) throw error;
      const { received } = job;
      const refused = error instanceof Error && !interrupted ? error.message : 'stopped before its verdict';
      return {
        opening: received.openingSigned,
        verdict: null,
        receipt: received.receipt([]),
        refused,
        fault: error instanceof FaultError ? error : null,
      };
    }
  }

  /**
   * This client runs checks 1 to 4, and with the model files also check 5 or all. The router's verdict counts for what
   * the router re-executed, and for faults, unless this client found a fault itself.
   */
  async #judge(
    { receipt, verdict, refused, fault }: RouteConclusion & { readonly fault: FaultError | null },
    { picked, audit, interrupted, isFull }: Judging,
  ): Promise<Judged> {
    const { level, by, router } = this.#init;
    const depth = isFull && by === 'here' ? 'full' : 'sampling';
    const found = await this.#components.verifier.check(receipt, depth);
    const own = ownPart(found);
    const faultBefore = found.inContinuation ? (found.faults[0] ?? null) : null;
    if (own.result === 'fail')
      return { own, faultBefore, verification: own, why: reasonFor(own, { level, audit, interrupted }) };
    if (fault !== null)
      return {
        faultBefore,
        own: { ...own, ...faultyVerification(fault.fault) },
        verification: faultyVerification(fault.fault),
        why: fault.detail,
      };
    const theirs = verdict?.verdict ?? null;
    if (theirs !== null && addsToOwn(theirs, own) && !isRecomputed(own))
      return { own: null, faultBefore, verification: verificationOf(theirs), why: `by router ${shortPeer(router)}` };
    const panel = !isFull || isRecomputed(own) ? null : await this.#askPanel(receipt, picked);
    const judged = panel === null ? own : refereed(own, panel);
    const part = ownPart(judged);
    const before = judged.inContinuation ? (judged.faults[0] ?? null) : faultBefore;
    const words = reasonFor(part, { level, audit, interrupted });
    return { own: part, faultBefore: before, verification: part, why: words ?? refused, panel };
  }

  /** Null if no referees are to be asked, or nothing was opened. */
  async #askPanel(receipt: Receipt, { card, offer }: Picked): Promise<PanelResult | null> {
    const { by, refereeCount = null, maxPrice } = this.#init;
    if (by !== 'referees' || receipt.opening === null) return null;
    const leftLamports = BigInt(maxPrice) - offer.payment.amountLamports;
    const init = { refereeCount, provider: card, leftLamports };
    return askPanel(this.#components, init, { receipt, observer: this.#observer });
  }

  /** Appends this client's verdict to `receipt`: readers of the receipt see what the person saw. */
  #signed(own: Assessment, receipt: Receipt, { received: { jobId } }: RoutedJob): Receipt {
    const {
      peer: { key },
      clock,
    } = this.#components;
    const verdict = signBody(
      key,
      kinds.verdict,
      jobId,
      encodeVerdict(verdictOf(own, receipt, key.publicKey, clock.now())),
    );
    return { ...receipt, verdicts: [...receipt.verdicts, verdict] };
  }

  #faulty(job: RoutedJob, picked: Picked, error: FaultError): Answer {
    const { level, stopwatch } = this.#init;
    return faultyAnswer(
      { ...this.#answerOf({ picked, received: job.received }), level, timing: stopwatch.read() },
      error,
    );
  }

  /** The router acknowledges what it passes on, up to where it was stopped. */
  #countsOf({ n, promptTokens }: Received): DeliveredCounts {
    return { promptCount: promptTokens.length, n, ackedTokens: this.#stoppedAt ?? n };
  }

  #answerOf({ picked, received }: RoutedPart): DeliveredAnswer {
    const { text, n, final } = received;
    return {
      text,
      tokens: n,
      finish: final?.finish ?? null,
      provider: picked.card.peer,
      router: this.#init.router,
      model: modelOf(picked),
      costLamports: costOf(picked.offer, this.#countsOf(received)),
    };
  }
}

/**
 * Whether a router's verdict says more than this client can check without the model: checks 5 and 6, and whether the
 * answer follows its grammar. The client judges the others itself. A pass without an opening never counts, since the
 * router may have withheld the opening.
 */
function addsToOwn(theirs: Verdict, own: Verification): boolean {
  if (theirs.result === 'pass') return isRecomputed(theirs) && own.count > 0;
  const isUnfollowed = own.result === 'inconclusive' && theirs.faults.includes('mask-break');
  return isRecomputed(theirs) || (theirs.result === 'fail' && (theirs.tier === 'text' || isUnfollowed));
}

function modelOf({ model }: Picked): AnswerModel {
  return { name: model.name, quant: model.quant, id: modelIdHex(model.id) };
}
