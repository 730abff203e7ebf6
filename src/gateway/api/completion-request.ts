import { payPolicies } from '../../node/payment/channel/channels.ts';
import type { InferenceRequest } from '../answer/inference-client.ts';
import type { ResponseEncoder } from '../answer/response-encoder.ts';
import { badField } from '../problem.ts';
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

/** Reads the field `qvac`, which every API accepts; `field-table.ts` lists what it holds. */
export function readExtension(
  fields: RequestFields,
  defaults: RequestDefaults,
): Pick<InferenceRequest, 'provider' | 'verify' | 'maxPrice' | 'wallet' | 'pay' | 'maxDeposit' | 'consent'> {
  const { provider, verify, maxPrice } = defaults;
  const own = fields.object('qvac');
  if (own === undefined)
    return { provider, verify, maxPrice, wallet: null, pay: null, maxDeposit: null, consent: null };
  const wallet = own.text('wallet') ?? null;
  const asked = own.whole('max_price', 0, Number.MAX_SAFE_INTEGER);
  const extension = {
    provider: own.text('provider') ?? provider,
    verify: own.oneOf('verify', ['none', 'optimistic', 'sampling', 'full']) ?? verify,
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
