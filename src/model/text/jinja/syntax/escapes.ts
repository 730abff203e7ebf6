import { TemplateError } from '../errors.ts';

const simple: ReadonlyMap<string, string> = new Map([
  ['\n', ''],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['a', '\u0007'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

const pattern = /\\(?:([0-7]{1,3})|x([\s\S]{0,2})|u([\s\S]{0,4})|U([\s\S]{0,8})|N|([\s\S]))/g;

/**
 * Python's `unicode-escape`: an unknown escape stays as it is.
 * @throws TemplateError for one cut short, or a character by name
 */
export function decodeEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(pattern, (whole: string, octal?: string, ...rest: (string | undefined)[]) => {
    const [byte, short, long, other] = rest;
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const [hex, length] = byte !== undefined ? [byte, 2] : short !== undefined ? [short, 4] : [long, 8];
    if (hex !== undefined) return characterOf(hex, length);
    if (other === undefined) throw new TemplateError('characters by name are not supported');
    return simple.get(other) ?? whole;
  });
}

function characterOf(hex: string, length: number): string {
  const code = new RegExp(`^[0-9a-fA-F]{${length}}$`).test(hex) ? Number.parseInt(hex, 16) : -1;
  if (code < 0 || code > 0x10ffff) throw new TemplateError(`truncated escape in a text: ${hex}`);
  return String.fromCodePoint(code);
}
