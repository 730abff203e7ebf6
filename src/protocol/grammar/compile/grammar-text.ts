import { BadInputError } from '../../encoding/malformed-error.ts';

/** The text of a grammar that a parser reads from its start to its end. */
export abstract class GrammarText {
  protected readonly source: string;
  /** UTF-16 units that are read. */
  protected at = 0;

  protected constructor(source: string) {
    this.source = source;
  }

  /** Reads what a sticky pattern matches here; null if it does not. */
  protected match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.source) ?? [];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }

  /** Reads this text if it stands here. */
  protected take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** The error of a grammar that goes on with something else than `expected`. */
  protected bad(expected: string): BadInputError {
    const line = this.source.slice(0, this.at).split('\n').length;
    const found = JSON.stringify(this.source.slice(this.at, this.at + 20).split('\n')[0] ?? '');
    return new BadInputError(`the grammar, line ${line}: expected ${expected}, got ${found}`);
  }
}
