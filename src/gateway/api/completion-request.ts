import type { SamplerSettings } from '../../protocol/messages.ts';
import type { InferenceRequest } from '../answer/inference-client.ts';
import type { ResponseEncoder } from '../answer/response-encoder.ts';
import { badField } from '../problem.ts';
import type { RequestFields } from './request-fields.ts';

/** The operator's settings, used for everything that a request leaves open. `temperature` and `minP` are fractions. */
export interface RequestDefaults {
  readonly model: string | null;
  readonly provider: string | null;
  readonly system: string | null;
  readonly temperature: number;
  readonly topK: number;
  readonly minP: number;
  readonly maxTokens: number;
  readonly verify: InferenceRequest['verify'];
  /** Lamports. */
  readonly maxPrice: number;
  readonly timeoutMs: number;
}

/** A completion request, whichever API it came through. */
export interface CompletionRequest {
  readonly inference: InferenceRequest;
  readonly stream: boolean;
  /** Texts that end the answer; they are not part of it. */
  readonly stops: readonly string[];
  /** How many of the likeliest tokens to list per token; null: no log-probabilities. */
  readonly topLogprobs: number | null;
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

const maxSeed = (1n << 64n) - 1n;
const maxStops = 16;
const maxStopLength = 1_000;
const maxNameLength = 300;
/** Names that mean "any model". */
const anyModel: ReadonlySet<string> = new Set(['', 'default', 'auto']);

export function readModel(fields: RequestFields, defaults: Pick<RequestDefaults, 'model'>): string | null {
  const model = fields.text('model');
  if (model === undefined || anyModel.has(model)) return defaults.model;
  if (model.length > maxNameLength) throw badField('model', `model: longer than ${maxNameLength} characters`);
  return model;
}

/** `seed` with all its digits (see `parseJson`); null: random, which -1 means too. */
export function readSeed(fields: RequestFields): bigint | null {
  const seed = fields.raw('seed');
  if (seed === undefined || seed === -1n) return null;
  if (typeof seed !== 'bigint' || seed < 0n || seed > maxSeed)
    throw fields.bad('seed', 'a whole number from 0 to 18446744073709551615, or -1');
  return seed;
}

/** One text or a list of texts. */
export function readStops(fields: RequestFields, name: string): readonly string[] {
  const raw = fields.raw(name);
  if (raw === undefined) return [];
  const stops: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  const usable = stops.every((stop) => typeof stop === 'string' && stop !== '' && stop.length <= maxStopLength);
  if (stops.length > maxStops || !usable)
    throw fields.bad(name, `a text or up to ${maxStops} texts, of 1 to ${maxStopLength} characters each`);
  return stops as readonly string[];
}

/** The sampler in the protocol's units. @param maxTokens from the API's own field */
export function readSampler(
  fields: RequestFields,
  defaults: RequestDefaults,
  maxTokens: number | undefined,
): SamplerSettings {
  return {
    temperature: Math.round((fields.number('temperature', 0, 2) ?? defaults.temperature) * 100),
    minP: Math.round((fields.number('min_p', 0, 1) ?? defaults.minP) * 100),
    topP: Math.max(1, Math.round((fields.number('top_p', 0, 1) ?? 1) * 100)),
    topK: fields.whole('top_k', 1, 20) ?? defaults.topK,
    maxTokens: maxTokens ?? defaults.maxTokens,
  };
}

/** Reads the field `qvac`, which every API accepts: `{provider, verify, max_price, wallet, consent}`. */
export function readExtension(
  fields: RequestFields,
  defaults: RequestDefaults,
): Pick<InferenceRequest, 'provider' | 'verify' | 'maxPrice' | 'wallet' | 'consent'> {
  const { provider, verify, maxPrice } = defaults;
  const own = fields.object('qvac');
  if (own === undefined) return { provider, verify, maxPrice, wallet: null, consent: null };
  const wallet = own.text('wallet') ?? null;
  const asked = own.whole('max_price', 0, Number.MAX_SAFE_INTEGER);
  const extension = {
    provider: own.text('provider') ?? provider,
    verify: own.oneOf('verify', ['none', 'optimistic', 'sampling', 'full']) ?? verify,
    // A request may only lower the operator's limit; a browser wallet sets its own.
    maxPrice: wallet === null ? Math.min(asked ?? maxPrice, maxPrice) : (asked ?? 0),
    wallet,
    consent: own.text('consent') ?? null,
  };
  own.done();
  return extension;
}
