import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Answer, AskObserver, Delivered } from '../../node/client/answer.ts';
import { ask } from '../../node/client/ask.ts';
import type { AskComponents, AskInit } from '../../node/client/ask-init.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import { PerhapsTooLongError } from '../../node/job/too-long.ts';
import type { ClientPayments } from '../../node/payment/payments.ts';
import { finish } from '../../protocol/codes.ts';
import { seedOfNumber } from '../../protocol/digests.ts';
import { answerLengths, countTokens } from './answer-length.ts';
import { answerSteps, stepsToOpen } from './answer-steps.ts';
import { withFailedAnswerCosts } from './failed-answer-costs.ts';
import { createFamilyFinder } from './family-finder.ts';
import type {
  DeliveredAnswer,
  InferenceClient,
  InferenceObserver,
  InferenceRequest,
  RefereesHeard,
  VerificationOutcome,
} from './inference-client.ts';

export interface NetworkInferenceClientComponents extends AskComponents {
  readonly receipts: Pick<ReceiptStore, 'save' | 'get'>;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. @default 0.05 */
  readonly auditRate?: number | undefined;
  /** The router that requests go through now, or null for direct jobs. */
  router(): Promise<NonNullable<AskInit['router']> | null>;
  /** Payments from a browser wallet, by its address (base58). @default browser wallets are refused */
  readonly paymentsOf?: ((wallet: string) => ClientPayments) | undefined;
  /** `payments`, each of which a person must approve in the page with that id. @default no approval is asked */
  readonly withConsent?: ((page: string, payments: ClientPayments) => ClientPayments) | undefined;
}

/** Runs prompts through this machine's own node: with a provider directly, or through the person's router. */
export function createNetworkInferenceClient(components: NetworkInferenceClientComponents): InferenceClient {
  const inFlight = new Map<PeerIdString, number>();
  const count = (peer: PeerIdString, change: number): void =>
    void inFlight.set(peer, (inFlight.get(peer) ?? 0) + change);
  const families = createFamilyFinder(components);
  const counting = { ...components, inFlight: (peer: PeerIdString) => inFlight.get(peer) ?? 0 };
  return {
    holds: (model) => holds(components, model),
    toolFamily: (model) => families.of(model),
    countTokens: (model, input) => countTokens(components.verifier, model, input),
    async complete(request, observer, options) {
      let busy: PeerIdString | null = null;
      const setProvider = (peer: PeerIdString | null): void => {
        if (busy !== null) count(busy, -1);
        if (peer !== null) count(peer, 1);
        busy = peer;
      };
      const answer = await askFitting(
        withPayments(counting, request, observer),
        { ...(await initOf(request, components)), request: options.requestId },
        await answerLengths(components, request).catch((error: unknown) => Promise.reject(asRequestError(error))),
        observerOf(observer, setProvider),
        anySignal(options.stop, options.signal),
      ).finally(() => setProvider(null));
      // A fault during the answer: no signed head covers all of it.
      if (answer.finish === null)
        throw new QvacError(
          'E_VERIFICATION_FAILED',
          `the answer of ${answer.atFault} failed a check before its end (${answer.verification.faults.join(', ')})`,
          { details: { provider: answer.atFault, faults: answer.verification.faults } },
        );
      // The client may have disconnected by now; the log still reaches the operator.
      if (answer.tooLate)
        components.logger.warn('verification ended too late to withhold the payment', {
          receipt: answer.receipt,
          provider: answer.atFault ?? answer.provider,
          result: answer.verification.result,
          paid: answer.payment?.paid.toString(),
        });
      return {
        verified: outcomeOf(answer),
        faults: answer.verification.faults,
        referees: refereesOf(answer),
        steps: request.logits ? await answerSteps(components, answer, options) : null,
      };
    },
  };
}

/** Asks for the lengths in turn, as long as providers refuse them for their context. */
async function askFitting(
  components: AskComponents,
  init: AskInit,
  lengths: readonly number[],
  observer: AskObserver,
  signal: AbortSignal,
): Promise<Answer> {
  const deadline = performance.now() + init.timeoutMs;
  for (const [at, maxTokens] of lengths.entries()) {
    const timeoutMs = at === 0 ? init.timeoutMs : Math.max(1, Math.ceil(deadline - performance.now()));
    try {
      return await ask(components, { ...init, sampler: { ...init.sampler, maxTokens }, timeoutMs }, observer, {
        signal,
      });
    } catch (error) {
      if (!isTooLong(error) || at === lengths.length - 1) throw asRequestError(error);
    }
  }
  throw new Error('no length to ask for');
}

function isTooLong(error: unknown): error is QvacError {
  if (error instanceof PerhapsTooLongError) return true;
  return error instanceof QvacError && error.code === 'E_CONTEXT';
}

/** Reports a prompt that does not fit as the request's own error, in the words that Anthropic's clients look for. */
export function asRequestError(error: unknown): unknown {
  if (!isTooLong(error)) return error;
  return new QvacError('E_CONTEXT', `prompt is too long: ${error.message}`, { hint: error.hint, cause: error });
}

async function holds(
  { verifier }: Pick<NetworkInferenceClientComponents, 'verifier'>,
  model: string | null,
): Promise<boolean> {
  return model !== null && verifier.holds(model);
}

async function initOf(request: InferenceRequest, components: NetworkInferenceClientComponents): Promise<AskInit> {
  const { input, model, provider, extra, seed, verify, referees, maxPrice, wallet, timeoutMs } = request;
  return {
    input,
    model,
    sampler: request.sampler,
    extra,
    // Without the model, log-probabilities come from the opening of every step.
    count: request.logits && !(await holds(components, model)) ? stepsToOpen(request) : undefined,
    seed: seed === null ? null : seedOfNumber(seed),
    verify,
    referees,
    auditRate: components.auditRate,
    provider,
    // Through a router, the router pays.
    router: provider === null && wallet === null ? await components.router() : null,
    maxPrice,
    pay: request.pay ?? undefined,
    maxDepositLamports: request.maxDeposit === null ? undefined : BigInt(request.maxDeposit),
    timeoutMs,
    thorough: true,
  };
}

/** `components` with the payments that the request asks for, which also report the cost of failed answers. */
export function withPayments<Components extends NetworkInferenceClientComponents>(
  components: Components,
  request: Pick<InferenceRequest, 'wallet' | 'consent'>,
  { failedAnswerCost }: Pick<InferenceObserver, 'failedAnswerCost'>,
): Components {
  const payments = paymentsFor(components, request);
  const counted =
    payments === null || failedAnswerCost === undefined ? payments : withFailedAnswerCosts(payments, failedAnswerCost);
  // Whoever pays for the answer pays for its referees.
  return { ...components, payments: counted, referees: components.referees?.paidBy(counted) };
}

/** Payments from a browser wallet, or from the gateway's own, with a person's consent if the page asks for it. */
function paymentsFor(
  { payments = null, withConsent, paymentsOf }: NetworkInferenceClientComponents,
  { wallet, consent }: Pick<InferenceRequest, 'wallet' | 'consent'>,
): ClientPayments | null {
  if (wallet === null)
    return consent === null || payments === null || withConsent === undefined
      ? payments
      : withConsent(consent, payments);
  if (paymentsOf === undefined) throw new QvacError('E_USAGE', 'this gateway does not accept browser wallets');
  return paymentsOf(wallet);
}

function observerOf(observer: InferenceObserver, setProvider: (peer: PeerIdString | null) => void): AskObserver {
  let route: { readonly provider: PeerIdString; readonly router: Answer['router'] } | null = null;
  return {
    sending: ({ kind, peer }) => {
      setProvider(kind === 'provider' ? peer : null);
      route = { provider: peer, router: kind === 'router' ? peer : null };
    },
    picked(provider) {
      route = { provider, router: route?.router ?? null };
    },
    accepted(promptTokens, model, tail) {
      if (route !== null) observer.accepted({ ...route, model }, promptTokens, tail);
    },
    prompted: (done, total) => observer.prompted?.(done, total),
    text: (piece) => observer.text(piece),
    turned: () => undefined,
    note: () => undefined,
    delivered(delivered) {
      setProvider(null);
      observer.delivered({ ...deliveredOf(delivered), last: route ?? undefined });
    },
    checking: () => undefined,
  };
}

const finishes = {
  [finish.stopToken]: 'stop',
  [finish.length]: 'length',
  [finish.cancelled]: 'cancel',
  [finish.brokenOff]: 'cancel',
  [finish.scored]: 'length',
  [finish.stopText]: 'stop',
  [finish.notFinal]: 'cancel',
} as const satisfies Record<Delivered['finish'], DeliveredAnswer['finish']>;

function deliveredOf({ finish: code, promptTokens, payableTokens, costLamports, receipt }: Delivered): DeliveredAnswer {
  return { finish: finishes[code], promptTokens, tokens: payableTokens, cost: costLamports, receipt };
}

function refereesOf({ referees, verification }: Answer): RefereesHeard | null {
  if (referees.length === 0) return null;
  const decisive = referees.filter(({ job }) => job !== null && verification.referees.includes(job));
  return {
    peers: decisive.map(({ peer }) => peer),
    cost: referees.reduce((sum, { costLamports }) => sum + costLamports, 0n),
  };
}

function outcomeOf({ verification: { result, tier }, level }: Answer): VerificationOutcome {
  if (result === 'fail') return 'failed';
  if (level === 'none') return 'none';
  return result === 'inconclusive' ? 'inconclusive' : tier;
}
