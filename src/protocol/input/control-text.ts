import { BadInputError } from '../encoding/malformed-error.ts';

/** Marks the place at which a control text inside a message is taken apart after rendering (section 2). */
export const breakMark = '\ufdd0';

/** Token types of GGUF (`tokenizer.ggml.token_type`) whose texts matter here. */
const tokenTypes = { control: 3, userDefined: 4 } as const;

export interface VocabularyTexts {
  readonly size: number;
  /** As in `tokenizer.ggml.tokens`. */
  readonly textOf: (id: number) => string | null;
  /** As in `tokenizer.ggml.token_type`. */
  readonly typeOf: (id: number) => number;
}

/** Section 2: the texts that could forge a turn: of control tokens, stops and special ones that a user defined. */
export function controlTextsOf({ size, textOf, typeOf }: VocabularyTexts, stops: readonly number[]): readonly string[] {
  const texts = new Set<string>();
  for (let id = 0; id < size; id++) {
    const text = textOf(id) ?? '';
    const type = typeOf(id);
    const isControl =
      type === tokenTypes.control || stops.includes(id) || (type === tokenTypes.userDefined && text.startsWith('<|'));
    if (isControl && text !== '') texts.add(text);
  }
  return [...texts];
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  isEnd: boolean;
}

/** Finds the control texts of one model in the texts of an input. */
export class ControlTexts {
  readonly #root: TrieNode = { next: new Map(), isEnd: false };
  readonly #single: readonly string[];

  constructor(texts: Iterable<string>) {
    const single: string[] = [];
    for (const text of texts) {
      if (text === '') continue;
      if (text.length === firstCharacter(text, 0)) single.push(text);
      else this.#add(text);
    }
    this.#single = single;
  }

  /**
   * `text` with U+FDD0 behind the first character of every control text in it.
   * @throws BadInputError if it holds U+FDD0 or a control text of one character
   */
  broken(text: string): string {
    checkNoBreakMark(text);
    if (this.#single.some((control) => text.includes(control)))
      throw new BadInputError('a text holds a control text of one character');
    const parts: string[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      if (!this.#isAt(text, at)) continue;
      const behind = at + firstCharacter(text, at);
      parts.push(text.slice(from, behind), breakMark);
      from = behind;
    }
    return parts.length === 0 ? text : parts.join('') + text.slice(from);
  }

  #add(text: string): void {
    let node = this.#root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let next = node.next.get(unit);
      if (next === undefined) node.next.set(unit, (next = { next: new Map(), isEnd: false }));
      node = next;
    }
    node.isEnd = true;
  }

  /** Whether a control text begins at `start`. */
  #isAt(text: string, start: number): boolean {
    let node: TrieNode | undefined = this.#root;
    for (let at = start; at < text.length; at++) {
      node = node.next.get(text.charCodeAt(at));
      if (node === undefined) return false;
      if (node.isEnd) return true;
    }
    return false;
  }
}

/** @throws BadInputError if `text` holds U+FDD0 */
export function checkNoBreakMark(text: string): void {
  if (text.includes(breakMark)) throw new BadInputError('a text holds U+FDD0');
}

/** UTF-16 units of the character at `at`. */
function firstCharacter(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/** The pieces of a rendering that are tokenised one by one; all but the first go on with a text. */
export function piecesOf(rendering: string): readonly string[] {
  return rendering.split(breakMark);
}
