/** Tokens that have to occur again before what followed them is guessed to follow again. */
const matchTokens = 3;
const firstGuessTokens = 4;
const maxGuessTokens = 32;
/** Most tokens without a guess after guesses that were all wrong. */
const maxPauseTokens = 32;

/**
 * Guesses the next tokens of an answer that repeats something, its prompt or itself: what followed the last few tokens
 * when they occurred before. Guesses grow while they are right; after wrong ones there is a pause, so that an answer
 * that repeats nothing costs hardly more.
 */
export interface PromptLookup {
  /** Tokens that were guessed, and how many of them came. */
  readonly guessed: number;
  readonly accepted: number;
  /** The next token of prompt and answer. */
  add(token: number): void;
  /** At most `most` tokens that may come next; empty without a guess. */
  guess(most: number): readonly number[];
  /** What became of the last guess: how many of its tokens came. */
  judge(accepted: number): void;
}

export function createPromptLookup(prompt: readonly number[]): PromptLookup {
  const tokens: number[] = [];
  /** Where the tokens behind each run of `matchTokens` begin, for its last occurrence. */
  const followers = new Map<string, number>();
  let guessed = 0;
  let accepted = 0;
  let size = firstGuessTokens;
  let lastSize = 0;
  let wrongInARow = 0;
  let pause = 0;

  const lastRun = (): string => tokens.slice(-matchTokens).join();

  function add(token: number): void {
    // The last run itself is not an earlier occurrence: it is entered once a token follows it.
    if (tokens.length >= matchTokens) followers.set(lastRun(), tokens.length);
    tokens.push(token);
  }
  for (const token of prompt) add(token);

  return {
    get guessed() {
      return guessed;
    },
    get accepted() {
      return accepted;
    },
    add,
    guess(most) {
      if (pause > 0) {
        pause--;
        return [];
      }
      const start = followers.get(lastRun());
      if (start === undefined) return [];
      const guess = tokens.slice(start, start + Math.min(size, most));
      lastSize = guess.length;
      guessed += guess.length;
      return guess;
    },
    judge(count) {
      accepted += count;
      if (count === 0) {
        pause = Math.min(maxPauseTokens, 2 ** ++wrongInARow);
        size = firstGuessTokens;
      } else {
        wrongInARow = 0;
        size = count === lastSize ? Math.min(maxGuessTokens, 2 * size) : count + 1;
      }
    },
  };
}
