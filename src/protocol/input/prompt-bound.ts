import { utf8 } from '../../lib/bytes.ts';
import { promptBoundBytes } from '../constants.ts';
import type { Input } from './input.ts';

/** Tokens that a model's tokenizer puts around each text that it embeds, at most. */
const embeddedTextTokens = 4;

/**
 * Section 3: the prompt tokens to ask a quote for without the tokenizer: the UTF-8 bytes of all texts in the input,
 * 256, and the length of its continuation; of an input to embed four more for each text (section 4.9).
 */
export function promptTokenBound({ messages, template, options, tools, date, continuation }: Input): number {
  const texts = [
    ...messages.flatMap(({ tool_calls: calls = [], ...fields }) => [
      ...Object.values(fields),
      ...calls.flatMap(({ id, name, arguments: json }) => [id, name, json]),
    ]),
    ...Object.entries(options).flatMap(([name, option]) => [name, String(option)]),
    tools ?? '',
    date ?? '',
  ];
  const added = continuation.length + (template === 'embed' ? embeddedTextTokens * messages.length : 0);
  return texts.reduce((bytes, text) => bytes + utf8(text).length, promptBoundBytes + added);
}
