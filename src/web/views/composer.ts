import { h } from '../dom.ts';

export interface ComposerInit {
  send(question: string): void;
  stop(): void;
}

/** The most lines that the field shows at once. */
const maxRows = 8;

/** The field for the next question, with the buttons to send it and to stop the answer. */
export class Composer {
  readonly element: HTMLFormElement;
  readonly #init: ComposerInit;
  readonly #prompt: HTMLTextAreaElement;
  readonly #send = h('button', { type: 'submit', class: 'primary' }, 'Ask');
  readonly #stop: HTMLButtonElement;

  constructor(init: ComposerInit) {
    this.#init = init;
    this.#prompt = h('textarea', {
      id: 'prompt',
      rows: 1,
      placeholder: 'Ask something',
      input: () => this.#fit(),
      keydown: (event) => this.#onKey(event as KeyboardEvent),
    });
    this.#stop = h(
      'button',
      { type: 'button', class: 'danger', hidden: true, 'aria-keyshortcuts': 'Escape', click: () => init.stop() },
      'Stop',
    );
    this.element = h(
      'form',
      { class: 'composer', submit: (event) => this.#onSubmit(event) },
      h('label', { for: 'prompt', class: 'visually-hidden' }, 'Your question'),
      this.#prompt,
      this.#send,
      this.#stop,
    );
  }

  /** Shows the buttons that apply. @param state `busy`: another tab is receiving an answer */
  show(state: 'ready' | 'running' | 'busy'): void {
    this.#send.hidden = state !== 'ready';
    this.#stop.hidden = state !== 'running';
  }

  get isReady(): boolean {
    return !this.#send.hidden;
  }

  focus(): void {
    this.#prompt.focus();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') this.#init.stop();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.element.requestSubmit();
  }

  #onSubmit(event: Event): void {
    event.preventDefault();
    const question = this.#prompt.value.trim();
    if (question === '' || !this.isReady) return;
    this.#prompt.value = '';
    this.#fit();
    this.#init.send(question);
  }

  #fit(): void {
    this.#prompt.rows = Math.min(maxRows, this.#prompt.value.split('\n').length);
  }
}
