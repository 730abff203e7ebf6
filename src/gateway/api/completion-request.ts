import type { ChatMessage, Input, SamplerSettings } from '../../protocol/messages.ts';
import type { InferenceRequest } from '../answer/inference-client.ts';
import { badField } from '../problem.ts';
import type { Fields } from './fields.ts';

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
  /** The context, in tokens, that the model must have. @default any */
  readonly minContext?: number | undefined;
}

const maxSeed = (1n << 64n) - 1n;
const maxStops = 16;
/** Names that mean "any model". */
const anyModel: ReadonlySet<string> = new Set(['', 'default', 'auto']);

export function readModel(fields: Fields, defaults: RequestDefaults): string | null {
  const model = fields.text('model');
  if (model === undefined || anyModel.has(model)) return defaults.model;
  if (model.length > 300) throw badField('model', 'model: longer than 300 characters');
  return model;
}

/** `seed` with all its digits (see `parseJson`). */
export function readSeed(fields: Fields): bigint | null {
  const seed = fields.raw('seed');
  if (seed === undefined) return null;
  if (typeof seed !== 'bigint' || seed < 0n || seed > maxSeed)
    throw fields.bad('seed', 'a whole number from 0 to 18446744073709551615');
  return seed;
}

/** One text or a list of texts. */
export function readStops(fields: Fields, name: string): readonly string[] {
  const raw = fields.raw(name);
  if (raw === undefined) return [];
  const stops: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  if (
    stops.length > maxStops ||
    !stops.every((stop) => typeof stop === 'string' && stop !== '' && stop.length <= 1_000)
  )
    throw fields.bad(name, `a text or up to ${maxStops}, none of them empty`);
  return stops as readonly string[];
}

/** The sampler in the protocol's units. @param maxTokens from the API's own field */
export function readSampler(fields: Fields, defaults: RequestDefaults, maxTokens: number | undefined): SamplerSettings {
  return {
    temperature: Math.round((fields.number('temperature', 0, 2) ?? defaults.temperature) * 100),
    minP: Math.round((fields.number('min_p', 0, 1) ?? defaults.minP) * 100),
    topK: fields.whole('top_k', 1, 20) ?? defaults.topK,
    maxTokens: maxTokens ?? defaults.maxTokens,
  };
}

export const maxTokensRange = [1, 1_000_000] as const;

/** Reads the field `qvac`, which every API accepts: `{provider, verify, max_price, wallet, consent}`. */
export function readExtension(
  fields: Fields,
  defaults: RequestDefaults,
): Pick<InferenceRequest, 'provider' | 'verify' | 'maxPrice' | 'wallet' | 'consent'> {
  const own = fields.object('qvac');
  if (own === undefined)
    return {
      provider: defaults.provider,
      verify: defaults.verify,
      maxPrice: defaults.maxPrice,
      wallet: null,
      consent: null,
    };
  const provider = own.text('provider') ?? defaults.provider;
  const verify = own.oneOf('verify', ['none', 'sampling', 'full']) ?? defaults.verify;
  const wallet = own.text('wallet') ?? null;
  const consent = own.text('consent') ?? null;
  const asked = own.whole('max_price', 0, Number.MAX_SAFE_INTEGER);
  own.done();
  // A request may only lower the operator's limit; a browser wallet sets its own.
  const maxPrice = wallet === null ? Math.min(asked ?? defaults.maxPrice, defaults.maxPrice) : (asked ?? 0);
  return { provider, verify, maxPrice, wallet, consent };
}

/** A conversation as an input, with the operator's system message if the request has none. */
export function chatInput(messages: readonly ChatMessage[], defaults: RequestDefaults): Input {
  if (!messages.some(({ role }) => role !== 'system'))
    throw badField('messages', 'messages: expected at least one message that is not a system message');
  const withSystem =
    defaults.system === null || messages.some(({ role }) => role === 'system')
      ? messages
      : [{ role: 'system', content: defaults.system }, ...messages];
  return { messages: withSystem, template: 'gguf', options: {} };
}

/** A prompt that the model continues, without a chat template. */
export function rawInput(prompt: string): Input {
  return { messages: [{ role: 'user', content: prompt }], template: 'raw', options: {} };
}
