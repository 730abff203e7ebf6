import { maxDigits, maxSourceLength } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import { skipSpace, stripEnd } from '../values/text.ts';
import { decodeEscapes } from './escapes.ts';

/** What the parser reads. `text` is what stands between tags; `value` the name, operator or text. */
export type Token =
  | { readonly kind: 'text' | 'name' | 'operator' | 'string'; readonly value: string }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'open-block' | 'close-block' | 'open-output' | 'close-output' | 'end'; readonly value: '' };

const integerPattern = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const digits = String.raw`(?:\d+_)*\d+`;
const floatPattern = new RegExp(String.raw`${digits}(?:(?:\.${digits})?e[+-]?${digits}|\.${digits})`, 'iy');
const namePattern = /[\p{ID_Start}_]\p{ID_Continue}*/uy;
const stringPattern = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y;
const operatorPattern = /\*\*|\/\/|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const tagPattern = /\{([%{#])/g;
const rawPattern = /\{%([-+]?)\s*raw\s*(-?)%\}/y;
const endRawPattern = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;

const partners: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/**
 * Cuts a template into tokens as Jinja2 does with `trim_blocks` and `lstrip_blocks`: the first line feed after a block
 * goes, and white space between the start of a line and a block; `-` takes all white space on its side, `+` none.
 * @throws TemplateError if the source is broken
 */
export function tokenise(source: string): Token[] {
  if (source.length > maxSourceLength) throw new BoundsError('its source is too long');
  return new Lexer(source.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  /** True if what comes next stands at the start of a line. */
  #isLineStart = true;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    for (;;) {
      tagPattern.lastIndex = this.#at;
      const found = tagPattern.exec(this.#source);
      if (found === null) break;
      this.#tag(found.index, found[1] ?? '');
    }
    this.#text(this.#source.slice(this.#at));
    this.#tokens.push({ kind: 'end', value: '' });
    return this.#tokens;
  }

  #text(value: string): void {
    if (value !== '') this.#tokens.push({ kind: 'text', value });
  }

  /** The text before a tag, less the white space that the tag takes. */
  #textBefore(end: number, sign: string, isOutput: boolean): void {
    const text = this.#source.slice(this.#at, end);
    if (sign === '-') return this.#text(stripEnd(text));
    const lineStart = text.lastIndexOf('\n') + 1;
    const isOwnLine = (lineStart > 0 || this.#isLineStart) && skipSpace(text, lineStart) === text.length;
    this.#text(sign !== '+' && !isOutput && isOwnLine ? text.slice(0, lineStart) : text);
  }

  #moveTo(at: number): void {
    this.#isLineStart = at > this.#at ? this.#source[at - 1] === '\n' : this.#isLineStart;
    this.#at = at;
  }

  #tag(start: number, kind: string): void {
    const sign = /[-+]/.test(this.#source[start + 2] ?? '') ? (this.#source[start + 2] ?? '') : '';
    rawPattern.lastIndex = start;
    const raw = kind === '%' ? rawPattern.exec(this.#source) : null;
    this.#textBefore(start, raw?.[1] ?? sign, kind === '{');
    if (raw !== null) return this.#raw(start + raw[0].length, raw[2] === '-');
    this.#moveTo(start + 2 + sign.length);
    if (kind === '#') return this.#comment();
    this.#tokens.push({ kind: kind === '%' ? 'open-block' : 'open-output', value: '' });
    this.#inside(kind === '%');
  }

  #raw(start: number, stripsBehind: boolean): void {
    this.#moveTo(stripsBehind ? skipSpace(this.#source, start) : start);
    endRawPattern.lastIndex = this.#at;
    const end = endRawPattern.exec(this.#source);
    if (end === null) throw new TemplateError('missing end of raw directive');
    this.#textBefore(end.index, end[1] ?? '', false);
    this.#closeBlock(end.index + end[0].length, end[2] ?? '');
  }

  #comment(): void {
    const end = this.#source.indexOf('#}', this.#at);
    if (end < 0) throw new TemplateError('missing end of comment tag');
    const sign = end > this.#at ? (this.#source[end - 1] ?? '') : '';
    this.#closeBlock(end + 2, /[-+]/.test(sign) ? sign : '');
  }

  /** Behind a block or comment: `-` takes the white space, no sign the first line feed. */
  #closeBlock(at: number, sign: string): void {
    if (sign === '-') this.#moveTo(skipSpace(this.#source, at));
    else this.#moveTo(sign === '' && this.#source[at] === '\n' ? at + 1 : at);
  }

  /** The expression tokens up to the end of the tag. */
  #inside(isBlock: boolean): void {
    const open: string[] = [];
    for (;;) {
      this.#at = skipSpace(this.#source, this.#at);
      if (open.length === 0 && this.#close(isBlock)) return;
      const token = this.#token();
      if (token.kind === 'operator') balance(open, token.value);
      this.#tokens.push(token);
    }
  }

  #close(isBlock: boolean): boolean {
    const mark = isBlock ? '%}' : '}}';
    const first = this.#source[this.#at] ?? '';
    const sign = first === '-' || (first === '+' && isBlock) ? first : '';
    if (!this.#source.startsWith(mark, this.#at + sign.length)) return false;
    const end = this.#at + sign.length + 2;
    this.#tokens.push({ kind: isBlock ? 'close-block' : 'close-output', value: '' });
    if (isBlock) this.#closeBlock(end, sign);
    else this.#moveTo(sign === '-' ? skipSpace(this.#source, end) : end);
    return true;
  }

  #token(): Token {
    // Behind a dot, digits are an index: `a.0.1`.
    const float = this.#source[this.#at - 1] === '.' ? null : this.#match(floatPattern);
    if (float !== null) return { kind: 'float', value: Number(float.replaceAll('_', '')) };
    const integer = this.#match(integerPattern);
    if (integer !== null) return { kind: 'integer', value: integerOf(integer) };
    const name = this.#match(namePattern);
    if (name !== null) return { kind: 'name', value: name };
    const text = this.#match(stringPattern);
    if (text !== null) return { kind: 'string', value: decodeEscapes(text.slice(1, -1)) };
    const operator = this.#match(operatorPattern);
    if (operator !== null) return { kind: 'operator', value: operator };
    const rest = this.#source.slice(this.#at, this.#at + 8);
    throw new TemplateError(
      rest === '' ? 'unexpected end of template' : `unexpected characters ${JSON.stringify(rest)}`,
    );
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }
}

function integerOf(written: string): bigint {
  if (written.length > maxDigits) throw new BoundsError('its numbers grow too long');
  return BigInt(written.replaceAll('_', ''));
}

function balance(open: string[], operator: string): void {
  const partner = partners[operator];
  if (partner !== undefined) open.push(partner);
  else if (/[)\]}]/.test(operator) && open.pop() !== operator) throw new TemplateError(`unexpected '${operator}'`);
}
