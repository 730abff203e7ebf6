export interface FoundMark {
  readonly at: number;
  readonly mark: string;
}

/** The mark that stands first in `text`, or null. Of several at one place, the one listed first. */
export function firstMark(text: string, marks: readonly string[]): FoundMark | null {
  let first: FoundMark | null = null;
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at >= 0 && (first === null || at < first.at)) first = { at, mark };
  }
  return first;
}

/** How many characters at the end of `text` may be the start of a mark. */
export function openEnd(text: string, marks: readonly string[]): number {
  let longest = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(mark.slice(0, length))) longest = length;
    }
  }
  return longest;
}
