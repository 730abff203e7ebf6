import { singleFact } from '../lib/names.ts';

/**
 * Characters that act on a terminal or on reading order instead of being shown: controls, line and paragraph
 * separators, direction overrides, invisible tags, lone surrogates.
 */
const acting = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/**
 * Makes a peer's text safe to show on one line: a model name, an address, an error message.
 * @param maxLength in code units; longer text is cut with an ellipsis
 */
export function printable(text: string, maxLength = 200): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
  return cut.replaceAll(acting, '\u{fffd}');
}

/** Makes a stranger's name safe within a line of facts or a table: of a model, a machine. */
export function printableName(name: string): string {
  return printable(singleFact(name));
}

/** Makes a model's text safe for a terminal: keeps line breaks and tabs, drops other acting characters. */
export function printableText(text: string): string {
  return text.replaceAll(acting, (character) => (character === '\n' || character === '\t' ? character : ''));
}

/** Escapes acting characters in JSON, which keeps its value. */
export function escapeActing(json: string): string {
  return json.replaceAll(acting, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
