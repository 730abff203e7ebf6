import { QvacError } from '../../errors.ts';
import { BadInputError } from '../../protocol/codec.ts';
import { maxEmbeddedTexts, maxEmbeddedTokens } from '../../protocol/constants.ts';
import { truncationOf } from '../../protocol/embedding.ts';
import type { Input } from '../../protocol/messages.ts';
import type { ModelFacts, Prompt } from '../engine.ts';

/** How a model that embeds takes a text. */
export interface TextEncoder {
  /** Tokens of the text alone. @throws BadInputError for one that has to be refused */
  encode(text: string): readonly number[];
  /** The tokens in front of a text and behind it. */
  readonly first: readonly number[];
  readonly last: readonly number[];
}

/**
 * The tokens of every text of an input to embed (protocol section 4.9).
 * @throws QvacError E_CONTEXT for a text, or texts, of more tokens than are served; BadInputError
 */
export function encodeTexts({ encode, first, last }: TextEncoder, input: Input, facts: ModelFacts): Prompt {
  const { name, context } = facts;
  const truncate = truncationOf(input);
  const around = first.length + last.length;
  if (input.messages.length > maxEmbeddedTexts)
    throw new BadInputError(`${input.messages.length} texts, at most ${maxEmbeddedTexts} are embedded in one job`);
  const tokens: number[] = [];
  const counts: number[] = [];
  for (const [at, { content }] of input.messages.entries()) {
    const all = encode(content);
    const own = truncate === null ? all : all.slice(0, Math.max(0, truncate - around));
    const count = own.length + around;
    if (count === 0) throw new BadInputError(`text ${at + 1} has no tokens`);
    if (count > context)
      throw new QvacError('E_CONTEXT', `text ${at + 1} has ${count} tokens, ${name} takes at most ${context}`, {
        hint: 'shorten it, or split it',
      });
    for (const token of [...first, ...own, ...last]) tokens.push(token);
    counts.push(count);
    if (tokens.length > maxEmbeddedTokens)
      throw new QvacError('E_CONTEXT', `the texts have more than ${maxEmbeddedTokens} tokens together`, {
        hint: 'embed them in several jobs',
      });
  }
  return { tokens, renderingCount: tokens.length, tail: '', counts };
}
