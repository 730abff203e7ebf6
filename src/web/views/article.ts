import type { Turn } from '../conversation.ts';
import { isBusyElsewhere } from '../conversation.ts';
import { h } from '../dom.ts';
import { detailOf, type ErrorText, errorTextOf } from '../error-texts.ts';
import { GrowingMarkdown } from '../markdown.ts';
import { trustLine, waitingLine } from './trust-line.ts';

export interface ArticleInit {
  readonly turn: Turn;
  /** Whether the answer is in progress. */
  readonly running: boolean;
  again(): void;
  go(view: NonNullable<ErrorText['view']>): void;
  said(words: string): void;
}

/** The largest share of time that rendering a growing answer may take. */
const drawingShare = 0.2;

/** One turn of a conversation. */
export class Article {
  readonly element: HTMLElement;
  readonly turn: Turn;
  readonly #init: ArticleInit;
  readonly #thoughts = h('p', {});
  readonly #thinking = h('details', { class: 'thinking', hidden: true }, h('summary', {}, 'Thinking'), this.#thoughts);
  readonly #body = h('div', { class: 'content' });
  readonly #foot = h('footer', {});
  readonly #waiting = h('p', { class: 'waiting' }, 'Waiting for the first word…');
  #growing: GrowingMarkdown | null = null;
  /** The content that `#finish` drew last. */
  #finished: string | null = null;
  #running: boolean;
  #last = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;

  constructor(init: ArticleInit) {
    this.#init = init;
    this.turn = init.turn;
    this.#running = init.running;
    const { role, content } = init.turn;
    this.element = h(
      'article',
      { class: role },
      h('h3', { class: 'visually-hidden' }, role === 'user' ? 'You asked' : 'Answer'),
      this.#thinking,
      this.#body,
      this.#foot,
    );
    if (role === 'user') this.#body.textContent = content;
    else if (init.running) {
      this.element.setAttribute('aria-busy', 'true');
      this.#body.append(this.#waiting);
      this.#drawFoot();
    } else this.#finish();
  }

  /** Redraws after another tab changed the turn. */
  update(): void {
    if (this.turn.role === 'user' || this.#running) return;
    if (this.turn.content !== this.#finished) this.#finish();
    else this.#drawFoot();
  }

  /** Whether this is the last turn, which can be regenerated. */
  set last(last: boolean) {
    if (last === this.#last) return;
    this.#last = last;
    if (this.turn.role === 'assistant') this.#drawFoot();
  }

  /** Schedules a redraw after new text, at a rate that the browser can keep up. `drawn` wraps the redraw. */
  grown(drawn: (draw: () => void) => void): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (!this.#running) return;
        const began = performance.now();
        drawn(() => this.#grow());
        const now = performance.now();
        this.#notBefore = now + (now - began) / drawingShare;
      },
      Math.max(16, this.#notBefore - performance.now()),
    );
  }

  /** Redraws after the end of the answer, or after a later verdict. */
  over(): void {
    clearTimeout(this.#timer);
    if (this.#running) {
      this.#running = false;
      this.element.removeAttribute('aria-busy');
      this.#finish();
    } else this.#drawFoot();
  }

  #grow(): void {
    const { content, promptShare } = this.turn;
    if (promptShare !== undefined)
      this.#waiting.textContent = `Reading the conversation: ${Math.round(promptShare * 100)} %`;
    this.#drawThoughts();
    if (content !== '') {
      this.#growing ??= new GrowingMarkdown(this.#body);
      this.#growing.grow(content);
    }
    this.#drawFoot();
  }

  #drawThoughts(): void {
    const { reasoning = '' } = this.turn;
    this.#thinking.hidden = reasoning === '';
    if (this.#thoughts.textContent !== reasoning) this.#thoughts.textContent = reasoning;
  }

  #finish(): void {
    this.#drawThoughts();
    (this.#growing ?? new GrowingMarkdown(this.#body)).finish(this.turn.content);
    this.#growing = null;
    this.#finished = this.turn.content;
    this.#drawFoot();
  }

  #drawFoot(): void {
    const { trust, error, by } = this.turn;
    const elsewhere = isBusyElsewhere(this.turn) && !this.#running;
    const over = !this.#running && !elsewhere;
    const parts: Node[] = [];
    if (elsewhere) parts.push(h('p', { class: 'waiting' }, 'Another tab is receiving this answer…'));
    if (over && (error !== undefined || trust === undefined)) parts.push(this.#errorBox());
    if (trust !== undefined) parts.push(trustLine(trust));
    else if (by !== undefined) parts.push(waitingLine(by, over));
    const copy = over && trust !== undefined ? this.#copyButton() : null;
    const again =
      over && this.#last
        ? h('button', { type: 'button', class: 'quiet', click: () => this.#init.again() }, 'Ask again')
        : null;
    if (copy !== null || again !== null) parts.push(h('div', { class: 'actions' }, copy, again));
    const had = this.#foot.contains(document.activeElement) ? document.activeElement?.className : undefined;
    this.#foot.replaceChildren(...parts);
    // The new line keeps the focus of the old one.
    if (had?.startsWith('trust') === true) this.#foot.querySelector<HTMLElement>('button.trust')?.focus();
  }

  #errorBox(): HTMLElement {
    const { code, message } = this.turn.error ?? { code: 'LEFT', message: '' };
    const { words, next, view } = errorTextOf(code, message);
    const detail = detailOf(code, message);
    const go =
      view === null
        ? null
        : h(
            'button',
            { type: 'button', class: 'quiet', click: () => this.#init.go(view) },
            `Open ${view.charAt(0).toUpperCase()}${view.slice(1)}`,
          );
    return h(
      'div',
      { class: 'failure' },
      h('p', { class: 'error' }, words),
      this.turn.content === '' ? null : h('p', {}, 'The part that arrived is above. It was not checked.'),
      h('p', {}, next),
      detail === null ? null : h('p', { class: 'hint' }, detail),
      go,
    );
  }

  #copyButton(): HTMLElement | null {
    // Absent on pages loaded over plain HTTP from another machine.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (clipboard === undefined) return null;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'quiet',
        click: () => {
          void clipboard.writeText(this.turn.content).then(
            () => {
              button.textContent = 'Copied';
              this.#init.said('Copied.');
              setTimeout(() => (button.textContent = 'Copy'), 2_000);
            },
            () => this.#init.said('The browser blocked copying.'),
          );
        },
      },
      'Copy',
    );
    return button;
  }
}
