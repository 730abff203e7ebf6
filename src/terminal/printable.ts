/**
 * Characters that do something to a terminal or to the order of what is read instead of showing themselves: controls,
 * line and paragraph separators, direction overrides, invisible tags, lone surrogates.
 */
const acting = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/**
 * One line that a stranger's text cannot break out of: a model's name, an address, an error message.
 * @param longest in code units, cut with an ellipsis
 */
export function printable(text: string, longest = 200): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return cut.replaceAll(acting, '\u{fffd}');
}

/** A model's text for a terminal: line breaks and tabs kept, whatever else would act on it left out. */
export function printableText(text: string): string {
  return text.replaceAll(acting, (character) => (character === '\n' || character === '\t' ? character : ''));
}

/** Writes characters that act on a terminal as escapes, so that JSON keeps its value and shows no tricks. */
export function escapeActing(json: string): string {
  return json.replaceAll(acting, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
