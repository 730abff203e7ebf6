/**
 * Finds the first of several texts in an answer that comes in pieces. What may be the beginning of one is held back, so
 * that nothing of it is ever passed on.
 *
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

  /** The text that ended the answer, or null. */
  get found(): string | null {
    return this.#found;
  }

  /** What of the answer can be passed on now. */
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

  /** What was held back, once the answer is over. */
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

  /** Characters at the end of `text` that may be the beginning of a stop. */
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
