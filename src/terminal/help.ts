/** One block of help: a title and two columns. */
export interface HelpSection {
  readonly title: string;
  readonly items: readonly (readonly [term: string, description: string])[];
}

export interface HelpPage {
  readonly usage: string;
  readonly description: string;
  readonly sections: readonly HelpSection[];
}

const indent = '  ';
/** Widest term column; longer terms get a line of their own. */
const maxTermWidth = 34;
const minDescriptionWidth = 30;
/** Widest description column, for readability. */
const maxDescriptionWidth = 70;

/** A help page as text of at most `width` columns unless a word is longer, ending in a line break. */
export function renderHelp(page: HelpPage, width: number, bold: (text: string) => string): string {
  const lines = [...wrap(page.description, width), '', `${bold('Usage:')} ${page.usage}`];
  for (const { title, items } of page.sections) {
    if (items.length === 0) continue;
    lines.push('', bold(`${title}:`));
    const column = Math.min(maxTermWidth, Math.max(...items.map(([term]) => term.length)));
    for (const [term, description] of items) lines.push(...itemLines(term, description, column, width));
  }
  return `${lines.join('\n')}\n`;
}

function itemLines(term: string, description: string, column: number, width: number): readonly string[] {
  if (description === '') return [indent + term];
  const [first = '', ...rest] = wrap(description, clamp(width - column - 4, minDescriptionWidth, maxDescriptionWidth));
  const hanging = ' '.repeat(indent.length + column + 2);
  const head = term.length > column ? [indent + term, hanging + first] : [`${indent}${term.padEnd(column)}  ${first}`];
  return [...head, ...rest.map((line) => hanging + line)];
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
