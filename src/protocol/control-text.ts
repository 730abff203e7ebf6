import type { Input } from './messages.ts';

/**
 * Section 2: whether a message or option of `input` holds the text of a control or stop token, and so could forge a
 * turn. Such an input is refused before it is rendered. A raw input is taken as it is.
 * @param controlTexts those tokens' texts as the model file writes them; empty ones do not count
 */
export function forgesTurn(input: Input, controlTexts: Iterable<string>): boolean {
  if (input.template === 'raw') return false;
  const texts = [
    ...input.messages.flatMap(({ role, content }) => [role, content]),
    ...Object.values(input.options).filter((option) => typeof option === 'string'),
  ];
  for (const control of controlTexts) {
    if (control !== '' && texts.some((text) => text.includes(control))) return true;
  }
  return false;
}
