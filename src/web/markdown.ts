import DOMPurify, { type Config } from 'dompurify';
import { Lexer, Marked, type Token, type Tokens } from 'marked';

const escaped: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escaped[character] ?? '');

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // HTML in an answer is shown as text.
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escapeHtml(text),
    // Loading an image would tell its server who reads the answer, so only its address is shown.
    image: ({ text, href }: Tokens.Image) => escapeHtml(`[${text}](${href})`),
  },
});

/** The longest text that is rendered as markdown, and the longest paragraph in it; the time grows with the square. */
const [maxText, maxParagraph] = [64_000, 3_000];
/** Lines that take the time of a thousand others: containers in containers, or a run of blanks. */
const tangled = /^(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])[ \t])){50}|[ \t]{500}/m;

/** Leaves a paragraph that takes too long as it came. */
class BoundedLexer extends Lexer {
  override inlineTokens(text: string, tokens: Token[] = []): Token[] {
    if (text.length <= maxParagraph) return super.inlineTokens(text, tokens);
    tokens.push({ type: 'text', raw: text, text, escaped: false });
    return tokens;
  }
}

const lexer = (): Lexer => new BoundedLexer(marked.defaults);

/** The most cells of tables: each line of one makes a whole row, however short it is. */
const maxCells = 20_000;
/** The line below a table's heading, in quotes or not. */
const delimiterRow = /^[ \t>]*[|:-][ \t>|:-]*$/gm;

const isTooMuch = (text: string): boolean =>
  text.length > maxText || tangled.test(text) || widthOf(text) * text.split('\n').length > maxCells;

/** Columns of the widest table. */
function widthOf(text: string): number {
  const widths = Array.from(text.matchAll(delimiterRow), ([row]) => row.match(/-+/g)?.length ?? 0);
  return widths.reduce((most, width) => Math.max(most, width), 0);
}

const allowed: Config = {
  ALLOWED_TAGS: [
    'p',
    'br',
    'strong',
    'em',
    'del',
    'code',
    'pre',
    'blockquote',
    'ul',
    'ol',
    'li',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'hr',
    'a',
    'table',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'input',
  ],
  ALLOWED_ATTR: ['href', 'align', 'type', 'checked', 'disabled', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
  // Of all inputs, only the checkboxes of task lists stay.
  if (node.tagName === 'INPUT' && (node.getAttribute('type') !== 'checkbox' || !node.hasAttribute('disabled')))
    node.remove();
  if (node.tagName === 'PRE') node.setAttribute('tabindex', '0');
});

/** `otherwise` if the stack does not suffice: quotes and lists can be nested thousands of times. */
function orIfTooDeep<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return otherwise;
    throw error;
  }
}

/** Renders an answer's markdown without anything that runs, loads or sends. Its headings rank below the page's. */
function rendered(text: string): DocumentFragment {
  const asItCame = `<pre>${escapeHtml(text)}</pre>`;
  const html = isTooMuch(text) ? asItCame : orIfTooDeep(() => marked.parser(lexer().lex(text)), asItCame);
  const fragment = DOMPurify.sanitize(html, allowed) as unknown as DocumentFragment;
  for (const heading of fragment.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const lower = document.createElement(`h${Math.min(6, Number(heading.tagName[1]) + 3)}`);
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
  return fragment;
}

/**
 * Renders an answer while it grows: finished blocks stay, only the last one is rendered again, so the cost of an update
 * does not grow with the answer.
 */
export class GrowingMarkdown {
  readonly element: HTMLElement;
  readonly #tail = document.createElement('div');
  #done = 0;

  constructor(element: HTMLElement) {
    this.element = element;
    element.replaceChildren(this.#tail);
  }

  /** @param whole the answer so far */
  grow(whole: string): void {
    const text = whole.replaceAll('\r', '');
    const rest = text.slice(this.#done);
    const last = startOfLast(rest);
    if (last > 0) {
      this.#tail.before(rendered(rest.slice(0, last)));
      this.#done += last;
    }
    this.#tail.replaceChildren(rendered(rest.slice(last)));
  }

  /** Renders the complete answer: link definitions at its end apply to earlier blocks. */
  finish(whole: string): void {
    this.element.replaceChildren(rendered(whole));
  }
}

/** The offset of the last block; 0 if it cannot be located. */
function startOfLast(text: string): number {
  if (isTooMuch(text)) return 0;
  const blocks = orIfTooDeep(
    () =>
      lexer()
        .lex(text)
        .filter(({ type }) => type !== 'space'),
    [],
  );
  let [start, end] = [0, 0];
  for (const { raw } of blocks) {
    const part = raw.trim();
    const at = text.indexOf(part, end);
    if (at < 0) return 0;
    start = text.lastIndexOf('\n', at) + 1;
    end = at + part.length;
  }
  return start;
}
