import { utf8 } from '../lib/bytes.ts';
import { promptBoundBytes } from './constants.ts';
import type { Input } from './messages.ts';

/**
 * Section 3: the prompt tokens to ask a quote for, without the tokenizer: UTF-8 bytes of all that is rendered, plus
 * 256.
 */
export function promptTokenBound(input: Input): number {
  const texts = [
    ...input.messages.flatMap(({ role, content }) => [role, content]),
    ...Object.entries(input.options).flatMap(([name, option]) => [name, String(option)]),
  ];
  return texts.reduce((bytes, text) => bytes + utf8(text).length, promptBoundBytes);
}
