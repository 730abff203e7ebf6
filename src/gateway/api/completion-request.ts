import { payPolicies } from '../../node/payment/channel/channels.ts';
import type { RefereeCount } from '../../node/referees/reports.ts';
import { maxReferees } from '../../protocol/constants.ts';
import type { InferenceRequest } from '../answer/inference-client.ts';
import type { ResponseEncoder } from '../answer/response-encoder.ts';
import { badField, Problem } from '../problem.ts';
import type { RequestFields } from './request-fields.ts';
import type { RequestTools } from './tools.ts';

/** The operator's settings, for all that a request leaves open. `temperature`, `minP` and `topP` are fractions. */
export interface RequestDefaults {
  readonly model: string | null;
  readonly provider: string | null;
  readonly system: string | null;
  readonly temperature: number;
  readonly topK: number;
  readonly minP: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly verify: InferenceRequest['verify'];
  /** Other providers that see prompt and answer to check it; null: none. */
  readonly referees: RefereeCount | null;
  /** The most of them that a request may ask for: its prompt goes to strangers. */
  readonly mostReferees: 0 | RefereeCount;
  /** Lamports. */
  readonly maxPrice: number;
  readonly timeoutMs: number;
}

/** A completion request, whichever API it came through. */
export interface CompletionRequest {
  readonly inference: InferenceRequest;
  /** How many answers are asked for, each a job of its own. */
  readonly choices: number;
  readonly stream: boolean;
  /** Texts that end the answer; they are not part of it. */
  readonly stops: readonly string[];
  /** The calls that answers may make, beside text and reasoning; null: the text is passed on as it is. */
  readonly tools: RequestTools | null;
  /** How many of the likeliest tokens to list per token; null: no log-probabilities. */
  readonly topLogprobs: number | null;
  /** What of the request was changed or ignored, as the header `x-qvac-adjusted` names it. */
  readonly adjusted: readonly string[];
}

/** A request after reading: a completion to run, or a check that a model is on offer, which Ollama calls loading. */
export type ApiRequest =
  | { readonly kind: 'completion'; readonly request: CompletionRequest; readonly encoder: ResponseEncoder }
  | {
      readonly kind: 'load';
      readonly model: string | null;
      /** @param name of the model, `name/quant`. @param at unix ms */
      body(name: string, at: number): object;
    };

/** Reads a request's JSON. @throws Problem */
export type RequestReader = (body: unknown, defaults: RequestDefaults) => ApiRequest;

export const maxTokensRange = [1, 1_000_000] as const;

/** The jobs that one provider runs and queues by default are about as many. */
const maxChoices = 8;
const maxNameLength = 300;
/** Names that mean "any model". */
const anyModel: ReadonlySet<string> = new Set(['', 'default', 'auto']);

export function readModel(fields: RequestFields, defaults: Pick<RequestDefaults, 'model'>): string | null {
  const model = fields.text('model');
  if (model === undefined || anyModel.has(model)) return defaults.model;
  if (model.length > maxNameLength) throw badField('model', `model: longer than ${maxNameLength} characters`);
  return model;
}

/** Reads `n`, the number of answers. */
export function readChoices(fields: RequestFields): number {
  return fields.whole('n', 1, maxChoices) ?? 1;
}

type RequestExtension = Pick<
  InferenceRequest,
  'provider' | 'verify' | 'referees' | 'maxPrice' | 'wallet' | 'pay' | 'maxDeposit' | 'consent'
>;

/** Reads the field `qvac`, which every API accepts; `field-table.ts` lists what it holds. */
export function readExtension(fields: RequestFields, defaults: RequestDefaults): RequestExtension {
  const { provider, verify, referees, maxPrice } = defaults;
  const own = fields.object('qvac');
  if (own === undefined)
    return { provider, verify, referees, maxPrice, wallet: null, pay: null, maxDeposit: null, consent: null };
  const wallet = own.text('wallet') ?? null;
  const asked = own.whole('max_price', 0, Number.MAX_SAFE_INTEGER);
  const extension = {
    provider: own.text('provider') ?? provider,
    ...readVerification(own, defaults),
    // A request may only lower the operator's limit; a browser wallet sets its own.
    maxPrice: wallet === null ? Math.min(asked ?? maxPrice, maxPrice) : (asked ?? 0),
    wallet,
    pay: own.oneOf('pay', payPolicies) ?? null,
    maxDeposit: own.whole('max_deposit', 0, Number.MAX_SAFE_INTEGER) ?? null,
    consent: own.text('consent') ?? null,
  };
  own.done();
  return extension;
}

/**
 * Reads how an answer is checked. A request may have fewer referees than the operator's setting, or those that the
 * operator allows.
 */
function readVerification(
  own: RequestFields,
  defaults: RequestDefaults,
): Pick<InferenceRequest, 'verify' | 'referees'> {
  const verify = own.oneOf('verify', ['none', 'optimistic', 'sampling', 'full']);
  const asked = own.whole('referees', 0, maxReferees);
  if (asked === undefined) return { verify: verify ?? defaults.verify, referees: defaults.referees };
  if (asked === 0) return { verify: verify ?? defaults.verify, referees: null };
  if (asked === 2) throw own.bad('referees', '0, 1 or 3');
  const param = own.pathOf('referees');
  if (asked > defaults.mostReferees)
    throw new Problem(403, 'E_USAGE', `referees see the prompt, and the operator allows ${defaults.mostReferees}`, {
      param,
      hint: 'qvac gateway --referees sets how many; who sends the run’s token may ask for 3',
    });
  if (verify === 'none' || verify === 'sampling')
    throw badField(param, `${param}: referees check an answer in full, and verify is ${verify}`);
  // A setting of less than a full check gives way to what the request asks for.
  const isTrusting = (verify ?? defaults.verify) === 'optimistic';
  return { verify: isTrusting ? 'optimistic' : 'full', referees: asked === 1 ? 1 : 3 };
}
