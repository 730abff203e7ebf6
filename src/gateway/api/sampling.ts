import { utf8 } from '../../lib/bytes.ts';
import type { AnswerExtra } from '../../node/job/answer-extra.ts';
import { maxBiases, maxStopTexts, maxTopK } from '../../protocol/constants.ts';
import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import type { InferenceRequest } from '../answer/inference-client.ts';
import type { RequestDefaults } from './completion-request.ts';
import type { RequestFields } from './request-fields.ts';

export const maxSeed = (1n << 64n) - 1n;
/** 1024ths of a nat, in which the protocol counts penalties and biases. */
const unitsPerNat = 1_024;
/** Bytes of all stop texts of a request together: providers take 64 KiB of settings. */
const maxStopBytes = 32_768;
/** OpenAI's bias of a token that must not come. */
const ban = -100;

/** Where an API has the settings of the sampler. */
export interface SamplingFields {
  /** The object that holds them: the request itself, or Ollama's `options`. */
  readonly fields: RequestFields;
  /** From the API's own field. */
  readonly maxTokens: number | undefined;
  /** The API's field for stop texts; null if it has none. */
  readonly stop: 'stop' | 'stop_sequences' | null;
  /** Whether the API has `presence_penalty` and `frequency_penalty`. @default false */
  readonly penalties?: boolean;
  /** Whether it has `logit_bias`. @default false */
  readonly bias?: boolean;
  /** The grammar that the request asks for; null: any text. */
  readonly rules: GrammarRules | null;
}

/** How an answer is to be drawn, and where it ends. */
export interface Sampling {
  readonly inference: Pick<InferenceRequest, 'sampler' | 'seed' | 'extra'>;
  readonly stops: readonly string[];
}

/** Reads the sampler's settings, in the protocol's units. @throws Problem */
export function readSampling(where: SamplingFields, defaults: RequestDefaults): Sampling {
  const { fields, maxTokens } = where;
  const stops = where.stop === null ? [] : readStops(fields, where.stop);
  const topK = readTopK(fields) ?? defaults.topK;
  const sampler = {
    temperature: Math.round((fields.number('temperature', 0, 2) ?? defaults.temperature) * 100),
    minP: Math.round((fields.number('min_p', 0, 1) ?? defaults.minP) * 100),
    topP: Math.max(1, Math.round((fields.number('top_p', 0, 1) ?? defaults.topP) * 100)),
    topK,
    maxTokens: maxTokens ?? defaults.maxTokens,
  };
  const extra: AnswerExtra = {
    ...(where.penalties === true ? readPenalties(fields) : {}),
    ...(where.bias === true ? readBias(fields, topK) : {}),
    ...(stops.length === 0 ? {} : { stopTexts: stops }),
    ...(where.rules === null ? {} : { rules: where.rules }),
  };
  return { inference: { sampler, seed: readSeed(fields), extra }, stops };
}

/** `seed` with all its digits (see `parseJson`); null: random, which -1 means too. */
function readSeed(fields: RequestFields): bigint | null {
  const seed = fields.raw('seed');
  if (seed === undefined || seed === -1n) return null;
  if (typeof seed !== 'bigint' || seed < 0n || seed > maxSeed)
    throw fields.bad('seed', 'a whole number from 0 to 18446744073709551615, or -1');
  return seed;
}

/** Other programs take 0 and -1 for "all tokens". */
function readTopK(fields: RequestFields): number | undefined {
  const topK = fields.whole('top_k', -1, Number.MAX_SAFE_INTEGER);
  if (topK === undefined || (topK >= 1 && topK <= maxTopK)) return topK;
  fields.adjust('top_k', `=${maxTopK}`);
  return maxTopK;
}

/** One text or a list of texts. */
function readStops(fields: RequestFields, name: string): readonly string[] {
  const raw = fields.raw(name);
  if (raw === undefined) return [];
  const stops: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  const usable = stops.every((stop) => typeof stop === 'string' && stop !== '' && stop.isWellFormed());
  if (stops.length > maxStopTexts || !usable)
    throw fields.bad(name, `a text or up to ${maxStopTexts} texts, none empty`);
  const bytes = stops.reduce((sum: number, stop) => sum + utf8(stop as string).length, 0);
  if (bytes > maxStopBytes) throw fields.bad(name, `at most ${maxStopBytes} bytes of texts, got ${bytes}`);
  return stops as readonly string[];
}

function readPenalties(fields: RequestFields): AnswerExtra {
  const read = (name: string): number => Math.round((fields.number(name, -2, 2) ?? 0) * unitsPerNat);
  const [presence, frequency] = [read('presence_penalty'), read('frequency_penalty')];
  return { ...(presence === 0 ? {} : { presence }), ...(frequency === 0 ? {} : { frequency }) };
}

/**
 * Reads `logit_bias`. A token is banned as long as another candidate is left, so there may be fewer bans than
 * candidates.
 */
function readBias(fields: RequestFields, topK: number): AnswerExtra {
  const value = fields.raw('logit_bias') ?? {};
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : null;
  const expected = `up to ${maxBiases} numbers from -100 to 100, by token id`;
  if (entries === null || entries.length > maxBiases) throw fields.bad('logit_bias', expected);
  const bias = entries.map(([id, given]: readonly [string, unknown]) => {
    const usable = /^\d{1,9}$/.test(id) && typeof given === 'number' && Math.abs(given) <= -ban;
    if (!usable) throw fields.bad('logit_bias', expected);
    return [Number(id), Math.round(given * unitsPerNat)] as const;
  });
  const bans = bias.filter(([, q]) => q === ban * unitsPerNat).length;
  if (bans >= topK)
    throw fields.bad('logit_bias', `at most ${topK - 1} bans (${ban}): an answer is drawn from ${topK} candidates`);
  const effective = bias.filter(([, q]) => q !== 0).toSorted(([a], [b]) => a - b);
  if (new Set(effective.map(([id]) => id)).size < effective.length) throw fields.bad('logit_bias', 'each token once');
  return effective.length === 0 ? {} : { bias: effective };
}
