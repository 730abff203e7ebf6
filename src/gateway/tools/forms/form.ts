import type { Reading, TextCursor } from '../cursor.ts';
import type { OfferedTool } from '../parts.ts';

/** What the reader of a call works on. */
export interface CallContext {
  readonly cursor: TextCursor;
  /** The request's tools, by name. */
  readonly tools: ReadonlyMap<string, OfferedTool>;
  /**
   * Passes a call on, and makes the cursor forget what was taken for it.
   * @param args an object, or the JSON text of one; undefined counts as an empty one
   * @returns whether this is a call of one of the tools
   */
  call(name: unknown, args: unknown): boolean;
}

/** A way in which models write calls. */
export interface CallForm {
  /** The texts that begin calls of this form. */
  readonly openers: readonly string[];
  /**
   * Reads what follows an opener.
   * @returns false if it is not a call: what was taken, and not forgotten, is text
   */
  read(context: CallContext, opener: string): Reading<boolean>;
}
