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
    const hit = this.#firstIn(text);
    if (hit !== null) {
      this.#found = hit.stop;
      this.#held = '';
      return text.slice(0, hit.at);
    }
    const keep = this.#openEnd(text);
    this.#held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** Returns the text held back so far; call it when the answer is complete. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #firstIn(text: string): { readonly at: number; readonly stop: string } | null {
    let first: { readonly at: number; readonly stop: string } | null = null;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && (first === null || at < first.at)) first = { at, stop };
    }
    return first;
  }

  /** How many characters at the end of `text` may be the start of a stop text. */
  #openEnd(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
