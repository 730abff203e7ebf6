import { BadInputError } from '../encoding/malformed-error.ts';
import type { ControlTexts } from './control-text.ts';
import type { Input } from './input.ts';

/**
 * Section 2: whether the last message is an answer that the model is to go on with, so that `add_generation_prompt` is
 * false and the rendering is cut behind it.
 */
export function continuesLastMessage({ messages, template }: Input): boolean {
  const last = messages.at(-1);
  return template === 'gguf' && last?.role === 'assistant' && last.tool_calls === undefined;
}

/**
 * The rendering up to the last occurrence of the last message's content without its trailing white space.
 * @throws BadInputError if the template left the content out or changed it
 */
export function cutRendering(rendering: string, { messages }: Input, controlTexts: ControlTexts): string {
  const content = withoutTrailingSpace(controlTexts.broken(messages.at(-1)?.content ?? ''));
  const at = rendering.lastIndexOf(content);
  if (at === -1) throw new BadInputError('the template does not render the last message as it is');
  return rendering.slice(0, at + content.length);
}

/** What Python's `str.rstrip` removes: white space by Unicode, and the separators U+001C to U+001F. */
const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Not a pattern with `+$`: its time grows with the square of the white space inside a text. */
function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && space.test(text[end - 1] ?? '')) end--;
  return text.slice(0, end);
}
