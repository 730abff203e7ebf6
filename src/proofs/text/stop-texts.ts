/** Finds stop texts in an answer as its text comes (section 4.1), in time linear in the text, however long they are. */
export class StopTexts {
  readonly #followers: readonly Follower[];

  constructor(texts: readonly string[]) {
    this.#followers = texts.map((text) => new Follower(text));
  }

  /** Whether the piece that became complete with a token completes a stop text. */
  completes(piece: string): boolean {
    let isComplete = false;
    for (const follower of this.#followers) if (follower.follow(piece)) isComplete = true;
    return isComplete;
  }
}

/** Follows how much of one text the end of another matches (Knuth, Morris and Pratt, 1977). */
class Follower {
  readonly #text: string;
  /** By length of a beginning of the text: the longest shorter beginning with which it ends. */
  readonly #shorter: Int32Array;
  #matched = 0;

  constructor(text: string) {
    this.#text = text;
    this.#shorter = new Int32Array(text.length + 1);
    for (let length = 1, matched = 0; length < text.length; length++) {
      matched = this.#next(matched, text.charCodeAt(length));
      this.#shorter[length + 1] = matched;
    }
  }

  /** Whether the text occurs with an end in `piece`. */
  follow(piece: string): boolean {
    let isFound = false;
    for (let at = 0; at < piece.length; at++) {
      this.#matched = this.#next(this.#matched, piece.charCodeAt(at));
      if (this.#matched === this.#text.length) isFound = true;
    }
    return isFound;
  }

  #next(before: number, unit: number): number {
    let matched = before;
    // A whole match goes on as its longest own ending.
    while (matched > 0 && (matched === this.#text.length || this.#text.charCodeAt(matched) !== unit))
      matched = this.#shorter[matched] ?? 0;
    return this.#text.charCodeAt(matched) === unit ? matched + 1 : 0;
  }
}
