import { toError } from '../../../errors.ts';
import type { AbortOptions } from '../../../lib/types.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { finish } from '../../../protocol/messages.ts';
import type { Job, JobInit, SignedQuote } from '../../job/job.ts';
import { openJob } from '../../job/open-job.ts';
import { quoteAnswer } from '../../job/quote.ts';
import { paidAcceptMs } from '../../payment/job-payment.ts';
import type { AskObserver } from '../answer.ts';
import { truncated } from '../finish.ts';
import { Attempt } from './attempt.ts';
import type { DirectComponents, DirectInit, DirectOutcome } from './direct-init.ts';
import { endBrokenOff, endFailed, interrupted } from './lost-attempt.ts';

/**
 * Asks one provider one question, checks the answer and settles its payment.
 * @param options `signal` stops it: what was delivered until then is settled and returned; if nothing was, it throws
 * E_INTERRUPTED
 * @throws QvacError E_BAD_INPUT, E_INTERRUPTED
 */
export async function askProvider(
  components: DirectComponents,
  init: DirectInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<DirectOutcome> {
  const attempt = new Attempt(components, init, observer, options.signal ?? new AbortController().signal);
  const { choice, level } = init;
  const { priceLamports } = choice;
  let job: Job | null = null;
  try {
    attempt.quote = priceLamports === 0n ? null : await fetchQuote(attempt);
    const model = `${choice.model.name} ${choice.model.quant}`;
    observer.sending({ kind: 'provider', peer: choice.card.peer, model, priceLamports, level });
    job = await open(attempt);
    await receive(attempt, job);
  } catch (error) {
    return endFailed(attempt, job, toError(error));
  }
  if (job.received.final?.finish === finish.brokenOff && attempt.hasShown(job)) return endBrokenOff(attempt, job);
  const answer = await attempt.finish(job, observer);
  if (answer.finish !== finish.brokenOff || answer.verification.result === 'fail') return { answer };
  return { answer: null, error: truncated(answer), broken: null, lostLamports: answer.costLamports };
}

async function fetchQuote({ components, init, input, mode, payment, signal }: Attempt): Promise<SignedQuote> {
  const { choice, sampler } = init;
  const { card, model, priceLamports } = choice;
  const provider = { peer: card.peer, key: card.card.peer, pay: card.card.pay, slots: model.slots, priceLamports };
  const pay = await payment.choose(provider, { signal });
  const request = { card, model, input, mode, pay, maxTokens: sampler.maxTokens };
  return quoteAnswer(components, request, { signal });
}

async function open(attempt: Attempt): Promise<Job> {
  const { components, init, input, mode, extra, payment, secret, signal, quote } = attempt;
  const { choice, sampler, count, seed, soFar } = init;
  const { verifier } = components;
  const isPaid = quote?.quote.pay != null;
  const job: JobInit = {
    card: choice.card,
    model: choice.model,
    input,
    sampler,
    seed,
    commit: sha256(secret),
    count,
    mode,
    extra,
    grammar: init.extra.rules,
    previous: soFar.previous,
    quote,
    ...(await payment.plan(quote?.quote ?? null, { signal })),
    // Before a payment is acknowledged; a free answer need not wait for the tokenizer.
    encodePrompt: isPaid ? () => verifier.encodePrompt(choice.modelId, input) : null,
    timeouts: { ...(isPaid ? { acceptMs: paidAcceptMs } : {}), ...attempt.timeouts },
  };
  return openJob(components, job, { signal });
}

/** Shows the answer as it arrives, up to its final head. */
async function receive(
  { init, observer, redrawn, stopwatch, model, isEmbedding, signal }: Attempt,
  job: Job,
): Promise<void> {
  const { soFar, earlier } = init;
  let accepted = false;
  const stop = (): void => {
    // Before the accept there is nothing to cancel; texts are embedded as a whole or not at all.
    if (!accepted || isEmbedding) job.abort(interrupted());
    else job.cancel().catch((error: unknown) => job.abort(toError(error)));
  };
  signal.addEventListener('abort', stop);
  try {
    if (signal.aborted) stop();
    for await (const frame of job.frames()) {
      if (frame.t === 'accept') {
        accepted = true;
        // Once for the whole answer.
        if (soFar.previous === null) observer.accepted?.(job.received.promptTokens.length, model, job.received.tail);
        if (signal.aborted) stop();
      }
      if (frame.t === 'progress') observer.prompted?.(frame.done, frame.total);
      if (frame.t !== 'tokens') continue;
      const text = redrawn.take(frame);
      stopwatch.tokens(job.received.n);
      init.stopwatch.tokens(earlier.tokens + job.received.n);
      await observer.text(text);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
