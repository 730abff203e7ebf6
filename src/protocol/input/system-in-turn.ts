import { truncationOf } from '../embedding.ts';
import type { CardModel } from '../messages/card.ts';
import type { Input } from './input.ts';

/** In a card's `can` (section 3): the template takes a system message in the first turn of the user alone. */
export const systemInTurn = 'system-in-turn';

/**
 * `input` as a model with this card is asked: both sides of an offer derive it from the card. Texts to embed are cut
 * where the model's context ends, if they may be cut.
 */
export function inputFor({ can, context }: Pick<CardModel, 'can' | 'context'>, input: Input): Input {
  if (input.template === 'embed') {
    const truncate = truncationOf(input);
    return truncate === null || truncate <= context ? input : { ...input, options: { truncate: context } };
  }
  return can.includes(systemInTurn) ? mergeSystem(input) : input;
}

/**
 * The input with the texts of its first system messages in front of the first turn of the user, for a template that
 * takes no such message. Unchanged if there is none, or if no turn of the user follows.
 */
export function mergeSystem(input: Input): Input {
  const begin = input.messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const turn = input.messages[begin];
  if (begin <= 0 || turn?.role !== 'user') return input;
  const texts = [...input.messages.slice(0, begin), turn].map(({ content }) => content);
  return { ...input, messages: [{ ...turn, content: texts.join('\n\n') }, ...input.messages.slice(begin + 1)] };
}
