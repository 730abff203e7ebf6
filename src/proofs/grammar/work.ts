/** The grammar would cost more than a check or a provider may spend on it. */
export class GrammarTooCostly extends Error {
  constructor() {
    super('the grammar costs too much to follow');
    this.name = 'GrammarTooCostly';
  }
}

/**
 * Places of the grammar and of the vocabulary looked at for one token, and for a whole answer. A tenth of a microsecond
 * each: an honest schema needs thousands, rarely a million where any token may come.
 */
const maxWorkPerToken = 2_000_000;
const maxWorkPerAnswer = 50_000_000;

/** Counts what is spent on a grammar, which a stranger chose. */
export class Work {
  #token = 0;
  #answer = 0;

  /** @throws GrammarTooCostly */
  spend(units: number): void {
    this.#token += units;
    this.#answer += units;
    if (this.#token > maxWorkPerToken || this.#answer > maxWorkPerAnswer) throw new GrammarTooCostly();
  }

  /** The next token is looked at. */
  next(): void {
    this.#token = 0;
  }
}
