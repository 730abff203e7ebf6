import type { Input } from './messages.ts';

/**
 * True where a "gguf" input holds a control token's text in a role, a content or a text option, and so could forge a turn
 * (section 2). A "raw" input is one continuous text and forges nothing.
 * @param controlTexts texts of the file's control tokens and stops; empty ones count for nothing
 */
export function forgesTurn(input: Input, controlTexts: readonly string[]): boolean {
  if (input.template === 'raw') return false;
  const texts = [...input.messages.flatMap(({ role, content }) => [role, content]), ...Object.values(input.options).filter((value) => typeof value === 'string')];
  return controlTexts.some((control) => control !== '' && texts.some((text) => text.includes(control)));
}
