/** Python's `str` where JavaScript's strings differ: characters are code points, and white space is another set. */

/** `str.isspace`, `\s`: Unicode's white space and the separators U+001C to U+001F. U+FEFF is none. */
const spaces: ReadonlySet<number> = new Set([
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
]);

/** Where `str.splitlines` cuts. */
const lineEnds: ReadonlySet<number> = new Set([0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029]);

export function isSpaceAt(text: string, at: number): boolean {
  return spaces.has(text.charCodeAt(at));
}

/** `str.isspace`. */
export function isSpace(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isSpaceAt(text, at)) return false;
  return text.length > 0;
}

/** The UTF-16 index after the white space that begins at `at`. */
export function skipSpace(text: string, at: number): number {
  while (at < text.length && isSpaceAt(text, at)) at++;
  return at;
}

/** `str.rstrip()`. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpaceAt(text, end - 1)) end--;
  return text.slice(0, end);
}

/** `strip`, `lstrip` and `rstrip`: white space, or all of the characters in `of`. */
export function strip(text: string, of: string | null, left: boolean, right: boolean): string {
  if (of === null) {
    const start = left ? skipSpace(text, 0) : 0;
    return right ? stripEnd(text.slice(start)) : text.slice(start);
  }
  const set = new Set(of);
  const all = charactersOf(text);
  let [start, end] = [0, all.length];
  while (left && start < end && set.has(all[start] ?? '')) start++;
  while (right && end > start && set.has(all[end - 1] ?? '')) end--;
  return all.slice(start, end).join('');
}

const astral = /[\ud800-\udfff]/;

/** One string per code point. */
export function charactersOf(text: string): string[] {
  return astral.test(text) ? Array.from(text) : text.split('');
}

/** `len`. */
export function lengthOf(text: string): number {
  if (!astral.test(text)) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** The code point index of a UTF-16 index. */
export function pointIndex(text: string, at: number): number {
  return at < 0 ? -1 : lengthOf(text.slice(0, at));
}

/** `split()` without a separator: at runs of white space, at most `most` times. */
export function splitAtSpace(text: string, most: number): string[] {
  const parts: string[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length && parts.length !== most) {
    const start = at;
    while (at < text.length && !isSpaceAt(text, at)) at++;
    parts.push(text.slice(start, at));
    at = skipSpace(text, at);
  }
  // The rest keeps its trailing white space, as in Python.
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** `rsplit()` without a separator. */
export function splitAtSpaceFromEnd(text: string, most: number): string[] {
  const parts: string[] = [];
  let rest = stripEnd(text);
  while (rest !== '' && parts.length !== most) {
    let at = rest.length;
    while (at > 0 && !isSpaceAt(rest, at - 1)) at--;
    parts.push(rest.slice(at));
    rest = stripEnd(rest.slice(0, at));
  }
  if (rest !== '') parts.push(rest);
  return parts.reverse();
}

/** `split(separator, most)`; -1 splits everywhere. */
export function splitAt(text: string, separator: string, most: number): string[] {
  const parts = text.split(separator);
  return most < 0 || parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** `rsplit(separator, most)`: looks from the end, so that `aaa` splits at `aa` into `a` and nothing. */
export function splitAtFromEnd(text: string, separator: string, most: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (parts.length !== most) {
    const at = rest.lastIndexOf(separator);
    if (at < 0) break;
    parts.push(rest.slice(at + separator.length));
    rest = rest.slice(0, at);
  }
  parts.push(rest);
  return parts.reverse();
}

/** `splitlines`. */
export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (!lineEnds.has(text.charCodeAt(at))) continue;
    const end = text.startsWith('\r\n', at) ? at + 2 : at + 1;
    lines.push(text.slice(start, keepEnds ? end : at));
    start = end;
    at = end - 1;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** `replace(from, to, most)`; -1 replaces all. */
export function replaceText(text: string, from: string, to: string, most: number): string {
  if (from !== '') return most < 0 ? text.replaceAll(from, () => to) : splitAt(text, from, most).join(to);
  const characters = charactersOf(text);
  const places = most < 0 ? characters.length + 1 : Math.min(most, characters.length + 1);
  return (
    characters.map((character, at) => (at < places ? to + character : character)).join('') +
    (places > characters.length ? to : '')
  );
}

/** Letters that stand for two, whose title case has a capital for the first alone. */
const digraphs: ReadonlyMap<string, string> = new Map([
  ['\u01c6', '\u01c5'],
  ['\u01c9', '\u01c8'],
  ['\u01cc', '\u01cb'],
  ['\u01f3', '\u01f2'],
]);

/** Greek letters with an iota below: the title case keeps it there, the upper case writes it behind. */
const iotaBelow: ReadonlyMap<string, string> = new Map([
  ['\u1fb3', '\u1fbc'],
  ['\u1fc3', '\u1fcc'],
  ['\u1ff3', '\u1ffc'],
]);

/** The title case of one character, which Unicode tells apart from its upper case: "ß" gives "Ss", "ǆ" gives "ǅ". */
function titleCase(character: string): string {
  const lower = character.toLowerCase();
  const special = digraphs.get(lower) ?? iotaBelow.get(lower);
  if (special !== undefined) return special;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  // Georgian has capitals for whole words alone.
  if (code >= 0x10d0 && code <= 0x10ff) return character;
  const upper = character.toUpperCase();
  if (code >= 0x1fb0 && code <= 0x1fff && upper.endsWith('\u0399')) return `${upper.slice(0, -1)}\u0345`;
  const [first = '', ...rest] = charactersOf(upper);
  return code === 0x149 ? upper : first + rest.join('').toLowerCase();
}

/** `str.title`: a word is a run of letters that have a case. */
export function titled(text: string): string {
  return text.replace(/\p{Cased}+/gu, (word) => capitalised(word));
}

/** `str.capitalize`. */
export function capitalised(text: string): string {
  const [first] = text;
  // The rest is lowered with the first letter before it: a sigma at the end of a word is another one.
  return first === undefined ? '' : titleCase(first) + text.toLowerCase().slice(first.toLowerCase().length);
}

/** `str.swapcase`. */
export function swapped(text: string): string {
  return charactersOf(text)
    .map((character) => (/\p{Uppercase}/u.test(character) ? character.toLowerCase() : character.toUpperCase()))
    .join('');
}

/** `isupper` and `islower`: something has a case, and nothing has the other one. */
export function hasCase(text: string, which: 'upper' | 'lower'): boolean {
  const wanted = which === 'upper' ? /\p{Uppercase}/u : /\p{Lowercase}/u;
  const other = which === 'upper' ? /[\p{Lowercase}\p{Lt}]/u : /[\p{Uppercase}\p{Lt}]/u;
  return wanted.test(text) && !other.test(text);
}
