/** Finds stop texts in an answer as its text comes (section 4.1). */
export class StopTexts {
  readonly #texts: readonly string[];
  /** The end of the text so far, as long as a stop text may have begun in it. */
  #tail = '';
  readonly #tailLength: number;

  constructor(texts: readonly string[]) {
    this.#texts = texts;
    this.#tailLength = texts.reduce((most, { length }) => Math.max(most, length - 1), 0);
  }

  /** Whether the piece that became complete with a token completes a stop text. */
  completes(piece: string): boolean {
    if (piece === '') return false;
    const text = this.#tail + piece;
    const isComplete = this.#texts.some((stop) =>
      text.includes(stop, Math.max(0, this.#tail.length - stop.length + 1)),
    );
    this.#tail = this.#tailLength === 0 ? '' : text.slice(-this.#tailLength);
    return isComplete;
  }
}
