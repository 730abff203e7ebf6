import { firstMark, openEnd } from './text-marks.ts';

/**
 * Finds the first of several stop texts in an answer that arrives in pieces. Holds back text that may be the start of a
 * stop text, so that no part of one is passed on.
 * ```ts
 * const filter = new StopFilter(['END']);
 * filter.push('a E');  // 'a '
 * filter.push('ND b'); // '', and filter.found === 'END'
 * ```
 */
export class StopFilter {
  readonly #stops: readonly string[];
  #held = '';
  #found: string | null = null;

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The stop text that ended the answer, or null. */
  get found(): string | null {
    return this.#found;
  }

  /** Takes the next piece and returns the text that can be passed on now. */
  push(piece: string): string {
    if (this.#found !== null) return '';
    if (this.#stops.length === 0) return piece;
    const text = this.#held + piece;
    const hit = firstMark(text, this.#stops);
    if (hit !== null) {
      this.#found = hit.mark;
      this.#held = '';
      return text.slice(0, hit.at);
    }
    const keep = openEnd(text, this.#stops);
    this.#held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** Returns the text held back so far; call it when the answer is complete. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}
