import { messageOf, QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { JobId, PeerIdString } from '../../lib/types.ts';
import type { Answer, Delivered as AnswerDelivered, AskObserver } from '../../node/client/answer.ts';
import { type AskComponents, type AskInit, ask } from '../../node/client/ask.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { modelsNamed } from '../../node/discovery/query.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import { PerhapsTooLongError, PromptTooLongError } from '../../node/job/too-long.ts';
import type { ClientPayments } from '../../node/payment/payments.ts';
import { seedOfNumber } from '../../protocol/digests.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';
import type { Asked, Asker, AskHooks, AskOptions, Delivered, Question, RecomputedStep, Verified } from './asker.ts';
import { withLosses } from './losses.ts';

export interface NetworkAskerComponents extends AskComponents {
  readonly receipts: Pick<ReceiptStore, 'save' | 'get'>;
  /** The router through which questions go now, or null for direct jobs. */
  router(): Promise<NonNullable<AskInit['router']> | null>;
  /** Pays with a wallet that a person holds in the page. */
  readonly paymentsOf?: ((wallet: string) => ClientPayments) | undefined;
  /** The program's own payments, each of which a person in that page has to agree to. */
  readonly agreedBy?: ((page: string, payments: ClientPayments) => ClientPayments) | undefined;
}

/** Candidates of which log-probabilities are made. */
const recomputedCandidates = 20;

/** Asks over the person's own node: directly, or through their router. */
export function createNetworkAsker(components: NetworkAskerComponents): Asker {
  const inFlight = new Map<PeerIdString, number>();
  const count = (peer: PeerIdString, change: number): void =>
    void inFlight.set(peer, (inFlight.get(peer) ?? 0) + change);
  const counting = { ...components, inFlight: (peer: PeerIdString) => inFlight.get(peer) ?? 0 };
  return {
    holds: async (model) => model !== null && components.verifier.holds(model),
    async ask(question, hooks, options) {
      let busy: PeerIdString | null = null;
      const turnTo = (peer: PeerIdString | null): void => {
        if (busy !== null) count(busy, -1);
        if (peer !== null) count(peer, 1);
        busy = peer;
      };
      const stop = anySignal(options.stop, options.signal);
      const answer = await ask(
        payingWith(counting, question, hooks),
        { ...(await initOf(question, components)), request: options.request },
        observerOf(hooks, turnTo),
        { signal: stop },
      )
        .catch((error: unknown) => Promise.reject(asTold(error)))
        .finally(() => turnTo(null));
      // A fault in the midst of an answer: there is no head that anyone signed for the whole of it.
      if (answer.finish === null)
        throw new QvacError(
          'E_VERIFICATION_FAILED',
          `the answer of ${answer.provider} broke off: it failed a check (${answer.verification.faults.join(', ')})`,
          { details: { provider: answer.provider, faults: answer.verification.faults } },
        );
      // Its client may have had the answer long ago: only whoever runs the gateway can still be told.
      if (answer.tooLate)
        components.logger.warn('a check came too late to hold the money back', {
          receipt: answer.receipt,
          provider: answer.provider,
          result: answer.verification.result,
          paid: answer.payment?.paid.toString(),
        });
      return {
        verified: verifiedOf(answer),
        faults: answer.verification.faults,
        steps: question.logits ? await stepsOf(components, answer.receipt, options) : null,
      };
    },
  };
}

/**
 * A prompt that does not fit is this question's fault, and to be told as such: clients ask again where it is anybody
 * else's.
 */
function asTold(error: unknown): unknown {
  if (!(error instanceof PromptTooLongError) && !(error instanceof PerhapsTooLongError)) return error;
  return new QvacError('E_CONTEXT', error.message, { hint: error.hint, cause: error });
}

async function initOf(question: Question, components: NetworkAskerComponents): Promise<AskInit> {
  const { input, model, provider, seed, verify, maxPrice, wallet, timeoutMs } = question;
  return {
    input,
    model,
    sampler: { ...question.sampler, maxTokens: fittingLength(question, components.discovery.live()) },
    seed: seed === null ? null : seedOfNumber(seed),
    verify,
    provider,
    // Through a router the router pays.
    router: provider === null && wallet === null ? await components.router() : null,
    maxPrice,
    timeoutMs,
    thorough: true,
  };
}

/**
 * Clients allow answers of any length to say that they want a whole one. What is longer than the longest context on
 * offer is
 * cut to what is left of that beside the prompt, or to half of it where the prompt may be long.
 */
function fittingLength(
  { input, model, provider, sampler: { maxTokens } }: Question,
  live: readonly LivePeer[],
): number {
  const asked = live.filter(({ peer, card }) => card.role === 'provider' && (provider === null || provider === peer));
  const longest = Math.max(
    0,
    ...asked.flatMap(({ card }) => modelsNamed(card, model ?? undefined).map(({ context }) => context)),
  );
  return longest === 0 || maxTokens < longest
    ? maxTokens
    : Math.max(longest - promptTokenBound(input), Math.floor(longest / 2));
}

/** Pays as the question says, and tells of what answers cost that broke off. */
function payingWith<Parts extends NetworkAskerComponents>(
  components: Parts,
  question: Question,
  { lost }: AskHooks,
): Parts {
  const payments = paymentsFor(components, question);
  return { ...components, payments: payments === null || lost === undefined ? payments : withLosses(payments, lost) };
}

/** A page's wallet pays, or the program's own, to which a person in a page agrees where one asks. */
function paymentsFor(
  { payments = null, agreedBy, paymentsOf }: NetworkAskerComponents,
  { wallet, consent }: Question,
): ClientPayments | null {
  if (wallet === null)
    return consent === null || payments === null || agreedBy === undefined ? payments : agreedBy(consent, payments);
  if (paymentsOf === undefined) throw new QvacError('E_USAGE', 'this gateway takes no wallets');
  return paymentsOf(wallet);
}

function observerOf(hooks: AskHooks, turnTo: (peer: PeerIdString | null) => void): AskObserver {
  let to: { readonly provider: PeerIdString; readonly router: Answer['router'] } | null = null;
  return {
    sending: ({ kind, peer }) => {
      turnTo(kind === 'provider' ? peer : null);
      to = { provider: peer, router: kind === 'router' ? peer : null };
    },
    picked(provider) {
      to = { provider, router: to?.router ?? null };
    },
    accepted(promptTokens, model) {
      if (to !== null) hooks.accepted({ ...to, model }, promptTokens);
    },
    text: (piece) => hooks.text(piece),
    turned: () => undefined,
    note: () => undefined,
    delivered(delivered) {
      turnTo(null);
      hooks.delivered(deliveredOf(delivered));
    },
    checking: () => undefined,
  };
}

const finishes = { 0: 'stop', 1: 'length', 2: 'cancel', 255: 'cancel' } as const satisfies Record<
  AnswerDelivered['finish'],
  Delivered['finish']
>;

function deliveredOf({ finish, promptTokens, payableTokens, costLamports, receipt }: AnswerDelivered): Delivered {
  return { finish: finishes[finish], promptTokens, tokens: payableTokens, cost: costLamports, receipt };
}

function verifiedOf({ verification: { result, tier }, level }: Answer): Verified {
  if (result === 'fail') return 'failed';
  if (level === 'none') return 'none';
  return result === 'inconclusive' ? 'inconclusive' : tier;
}

/** The answer's tokens with what they were drawn from; null where they could not be computed anew. */
async function stepsOf(
  { receipts, verifier, logger }: NetworkAskerComponents,
  id: JobId | null,
  { signal }: AskOptions,
): Promise<Asked['steps']> {
  if (id === null) return null;
  try {
    const { receipt } = await receipts.get(id);
    const { steps, tokenizer } = await verifier.replay(receipt, recomputedCandidates, { signal });
    return steps.map((top, at): RecomputedStep => {
      const token = receipt.tokens[at] ?? 0;
      return {
        token,
        bytes: tokenizer.bytesOf(token),
        top,
        topBytes: Array.from(top.ids, (candidate) => tokenizer.bytesOf(candidate)),
      };
    });
  } catch (error) {
    logger.warn('log-probabilities were not computed', {
      reason: messageOf(error),
    });
    return null;
  }
}
