import { maxDimensions, maxEmbeddedTokens } from './constants.ts';
import type { Input } from './input/input.ts';
import type { SamplerSettings } from './layouts/offer.ts';
import type { CardModel } from './messages/card.ts';

/** Section 4.9: how an embedding job is asked for. */

const ability = /^embed\/([1-9]\d{0,4})$/;

/** What the card of a model that embeds texts has in `can`, and nothing else. */
export function embedAbility(dimensions: number): string {
  return `embed/${dimensions}`;
}

/** Numbers of a vector of that model; null: it answers, and does not embed. */
export function dimensionsOf({ can }: Pick<CardModel, 'can'>): number | null {
  for (const each of can) {
    const dimensions = Number(ability.exec(each)?.[1] ?? 0);
    if (dimensions >= 1 && dimensions <= maxDimensions) return dimensions;
  }
  return null;
}

/**
 * @param texts at least one
 * @param truncate tokens of each text that count, the first and last of the model included; null: all
 */
export function embedInput(texts: readonly string[], truncate: number | null = null): Input {
  return {
    messages: texts.map((content) => ({ role: 'user', content })),
    template: 'embed',
    options: truncate === null ? {} : { truncate },
    tools: null,
    date: null,
    continuation: [],
  };
}

/** Texts are cut at the end of the model's context, whatever that is (`inputFor`). */
export const truncateAtContext = 2 ** 31;

/** Tokens of each text that count; null: all. Of an input with the template `embed`. */
export function truncationOf({ options: { truncate } }: Pick<Input, 'options'>): number | null {
  return typeof truncate === 'number' ? truncate : null;
}

/**
 * The most prompt tokens that a job of this model can have: beside an answer what is left of the context, of texts the
 * whole context each.
 * @param maxTokens of the answer, or texts
 */
export function promptRoom(model: Pick<CardModel, 'can' | 'context'>, maxTokens: number): number {
  return dimensionsOf(model) === null
    ? model.context - maxTokens
    : Math.min(maxEmbeddedTokens, model.context * maxTokens);
}

/** The neutral sampler of an offer for `texts` vectors: nothing is drawn. */
export function embedSampler(texts: number): SamplerSettings {
  return { temperature: 100, minP: 0, topP: 100, topK: 1, maxTokens: texts };
}

export function isEmbedSampler({ temperature, minP, topP, topK }: SamplerSettings): boolean {
  return temperature === 100 && minP === 0 && topP === 100 && topK === 1;
}
