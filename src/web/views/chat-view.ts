import { ask, settled, type Running } from '../answer.ts';
import { h } from '../dom.ts';
import { rendered } from '../markdown.ts';
import { picker } from './picker.ts';
import { store, type Conversation, type Turn } from '../store.ts';
import { trustLine } from './trust-line.ts';
import { verifiedWords } from '../words.ts';

/** The conversation: what was asked and answered, and where the next question is typed. */
export class ChatView {
  readonly element: HTMLElement;
  readonly #log = h('div', { class: 'log', role: 'log', 'aria-label': 'Conversation', 'aria-live': 'off', tabindex: 0 });
  readonly #status = h('p', { class: 'visually-hidden', role: 'status' });
  readonly #prompt: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #saved: () => void;
  #conversation: Conversation = store.start();
  #running: Running | null = null;

  /** `saved` is told when the list of conversations has changed. */
  constructor(saved: () => void) {
    this.#saved = saved;
    this.#prompt = h('textarea', { id: 'prompt', rows: 1, placeholder: 'Ask something', input: () => this.#fit(), keydown: (event) => this.#onKey(event as KeyboardEvent) });
    this.#send = h('button', { type: 'submit', class: 'primary' }, 'Ask');
    this.#stop = h('button', { type: 'button', class: 'danger', hidden: true, click: () => this.#running?.stop() }, 'Stop');
    const form = h('form', { class: 'composer', submit: (event) => this.#onSubmit(event) }, h('label', { for: 'prompt', class: 'visually-hidden' }, 'Your question'), this.#prompt, this.#send, this.#stop);
    this.element = h('section', { class: 'chat', 'aria-labelledby': 'chat-title' }, h('h2', { id: 'chat-title', class: 'visually-hidden' }, 'Chat'), picker(), this.#log, this.#status, form);
    this.#draw();
  }

  get current(): string {
    return this.#conversation.id;
  }

  open(conversation: Conversation): void {
    this.#running?.stop();
    this.#conversation = conversation;
    this.#draw();
    this.#prompt.focus();
  }

  /** Under way is what was asked before; it is kept where it belongs. */
  startNew(): void {
    this.open(store.start());
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#prompt.form?.requestSubmit();
  }

  #onSubmit(event: Event): void {
    event.preventDefault();
    const content = this.#prompt.value.trim();
    if (content === '' || this.#running !== null) return;
    this.#prompt.value = '';
    this.#fit();
    const { turns } = this.#conversation;
    if (turns.length === 0) this.#conversation.title = content.slice(0, 60);
    turns.push({ role: 'user', content });
    this.#draw();
    void this.#answer();
  }

  #regenerate(): void {
    if (this.#running !== null) return;
    this.#conversation.turns.pop();
    this.#draw();
    void this.#answer();
  }

  async #answer(): Promise<void> {
    const conversation = this.#conversation;
    const asked = [...conversation.turns];
    const turn: Turn = { role: 'assistant', content: '' };
    conversation.turns.push(turn);
    const article = this.#append(turn);
    article.element.setAttribute('aria-busy', 'true');
    let drawing = 0;
    const changed = (): void => {
      cancelAnimationFrame(drawing);
      drawing = requestAnimationFrame(() => this.#update(article, turn));
    };
    this.#busy(true);
    const running = ask(asked, store.settings, turn, changed);
    this.#running = running;
    await running.done;
    cancelAnimationFrame(drawing);
    this.#running = null;
    this.#busy(false);
    article.element.removeAttribute('aria-busy');
    store.save(conversation);
    this.#saved();
    if (this.#conversation !== conversation) return;
    this.#draw();
    this.#status.textContent = turn.error ?? `Answer complete, ${verifiedWords[turn.trust?.verified ?? 'pending'].short}.`;
    if (turn.trust?.verified === 'pending') await this.#settle(conversation, turn);
  }

  async #settle(conversation: Conversation, turn: Turn): Promise<void> {
    if (turn.trust === undefined) return;
    await settled(turn.trust, (trust) => {
      turn.trust = trust;
      store.save(conversation);
      if (this.#conversation === conversation && this.#running === null) this.#draw();
    });
  }

  #busy(busy: boolean): void {
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    if (busy) this.#status.textContent = 'Waiting for the answer.';
  }

  #fit(): void {
    this.#prompt.rows = Math.min(8, this.#prompt.value.split('\n').length);
  }

  #draw(): void {
    const { turns } = this.#conversation;
    this.#log.replaceChildren();
    if (turns.length === 0) this.#log.append(welcome());
    for (const turn of turns) this.#append(turn);
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #append(turn: Turn): Article {
    const own = turn.role === 'user';
    const body = h('div', { class: 'content' });
    const foot = h('footer', {});
    const element = h('article', { class: turn.role }, h('h3', { class: 'visually-hidden' }, own ? 'You asked' : 'Answer'), body, foot);
    const article = { element, body, foot };
    this.#update(article, turn);
    this.#log.append(element);
    return article;
  }

  #update({ body, foot }: Article, turn: Turn): void {
    const pinned = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 80;
    if (turn.role === 'user') body.textContent = turn.content;
    else body.replaceChildren(turn.content === '' && turn.error === undefined && turn.trust === undefined ? h('p', { class: 'waiting' }, 'waiting for the first token …') : rendered(turn.content));
    foot.replaceChildren(...this.#footOf(turn));
    if (pinned) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #footOf(turn: Turn): readonly Node[] {
    if (turn.role === 'user') return [];
    const last = this.#conversation.turns.at(-1) === turn && this.#running === null;
    return [
      ...(turn.error === undefined ? [] : [h('p', { class: 'error', role: 'alert' }, turn.error)]),
      ...(turn.trust === undefined ? [] : [trustLine(turn.trust)]),
      ...(last && (turn.trust !== undefined || turn.error !== undefined) ? [h('button', { type: 'button', class: 'quiet', click: () => this.#regenerate() }, 'Ask again'), h('button', { type: 'button', class: 'quiet', click: () => void navigator.clipboard.writeText(turn.content) }, 'Copy')] : []),
    ];
  }
}

interface Article {
  readonly element: HTMLElement;
  readonly body: HTMLElement;
  readonly foot: HTMLElement;
}

function welcome(): HTMLElement {
  return h('div', { class: 'welcome' }, h('p', {}, h('strong', {}, 'Ask an open model on somebody else’s computer, and see whether the answer really came from it.')), h('p', {}, 'The line under each answer says who gave it, what it cost and how far it was checked. It opens the receipt.'));
}
