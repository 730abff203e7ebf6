/** The grammar would cost more than a check or a provider may spend on it. */
export class GrammarTooCostly extends Error {
  constructor() {
    super('the grammar costs too much to follow');
    this.name = 'GrammarTooCostly';
  }
}

/**
 * Units of work that may be spent: for one token, and for an answer at its start and for each of its tokens. A seventh
 * of a microsecond each; an honest schema needs some thousands for a token.
 */
const maxWorkPerToken = 2_000_000;
const maxWorkAtStart = 4_000_000;
const maxMeanWorkPerToken = 10_000;

/** Counts what is spent on a grammar, which a stranger chose. */
export class Work {
  #token = 0;
  #left = maxWorkAtStart;

  /** @throws GrammarTooCostly */
  spend(units: number): void {
    this.#token += units;
    this.#left -= units;
    if (this.#token > maxWorkPerToken || this.#left < 0) throw new GrammarTooCostly();
  }

  /** The next token is looked at. */
  next(): void {
    this.#token = 0;
    this.#left += maxMeanWorkPerToken;
  }
}
