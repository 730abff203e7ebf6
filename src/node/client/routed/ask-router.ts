import { QvacError, toError } from '../../../errors.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { routedExtra } from '../../job/answer-extra.ts';
import { modeOf } from '../../verification/verification.ts';
import { type Answer, type AskObserver, faultyAnswer } from '../answer.ts';
import type { FinishedAnswer } from '../finish.ts';
import { finishRouted } from './finish-routed.ts';
import { openRoute } from './route/open-route.ts';
import type { RoutedJob, RouteNews } from './route/route.ts';
import { modelOf, RoutedAttempt } from './routed-attempt.ts';
import type { RoutedComponents, RoutedInit } from './routed-init.ts';

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
  const attempt = new RoutedAttempt(components, init, observer, options.signal ?? new AbortController().signal);
  const { router, level, label } = init;
  observer.sending({ kind: 'router', peer: router, model: label, priceLamports: null, level });
  const job = await open(attempt);
  try {
    await receive(attempt, job);
  } catch (error) {
    return endFailed(attempt, job, toError(error));
  }
  return finishRouted(attempt, job);
}

function open({ components, init, secret, signal }: RoutedAttempt): Promise<RoutedJob> {
  const { router, input, model, sampler, extra, count, seed, level, by, maxPrice, timeoutMs, allowedMs } = init;
  return openRoute(
    components,
    {
      router,
      input,
      model,
      sampler: { ...sampler, extra: routedExtra(extra) },
      grammar: extra.rules ?? null,
      seed,
      secret,
      count,
      mode: modeOf(level),
      verify: level === 'full' && by === 'router' ? 'full' : 'sampling',
      maxPrice,
      timeouts: { totalMs: timeoutMs, allowedMs },
    },
    { signal },
  );
}

/** Shows the answer as it arrives, up to its final head. */
async function receive(attempt: RoutedAttempt, job: RoutedJob): Promise<void> {
  const { init, observer, signal } = attempt;
  const stop = (): void => {
    attempt.stoppedAt = job.picked === null ? 0 : job.received.n;
    job.stop().catch((error: unknown) => job.abort(toError(error)));
  };
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) stop();
    for await (const news of job.frames()) {
      if (news.t === 'picked') takePicked(attempt, news);
      // Once for the whole answer.
      if (news.t === 'accept' && job.picked !== null && job.soFar.previous === null)
        observer.accepted?.(job.received.promptTokens.length, modelOf(job.picked), job.received.tail);
      if (news.t === 'progress') observer.prompted?.(news.done, news.total);
      if (news.t !== 'tokens') continue;
      init.stopwatch.tokens(job.soFar.start + job.received.n);
      await observer.text(news.text);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function takePicked(attempt: RoutedAttempt, { picked, broken }: Extract<RouteNews, { readonly t: 'picked' }>): void {
  const { init, observer } = attempt;
  if (broken !== null) {
    const { provider } = broken.picked;
    attempt.takeBroken(broken, new QvacError('E_TRUNCATED', `${shortPeer(provider)} broke off`));
    observer.brokeOff?.(provider, init.parted.soFar.shownCount, 'the router left it');
  }
  observer.picked(picked.card.peer, modelOf(picked), picked.offer.payment.amountLamports);
}

/**
 * Ends a question whose router failed, or whose answer broke a rule, before the final head.
 * @returns the faulty answer
 * @throws `error`, once what the last provider had shown is added to `parted`; E_INTERRUPTED if the person stopped it
 */
function endFailed(attempt: RoutedAttempt, job: RoutedJob, error: Error): Answer {
  job.abort(error);
  if (attempt.signal.aborted) throw new QvacError('E_INTERRUPTED', 'stopped', { cause: error });
  const { picked, soFar } = job;
  // Before the first choice nothing was received.
  if (picked === null) throw error;
  const part = { picked, received: job.received };
  if (error instanceof FaultError) return faultyAnswer(attempt.answerOf(part), error);
  const hasShown = job.received.n > soFar.redrawn.tokens.length;
  if (error instanceof QvacError && hasShown) attempt.takeBroken(part, error);
  throw error;
}
