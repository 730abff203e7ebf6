import { ask, type Running, settled } from '../answer.ts';
import { h } from '../dom.ts';
import { type ErrorText, errorTextOf } from '../error-texts.ts';
import { statusLabels } from '../labels.ts';
import { type Conversation, store, type Turn } from '../store.ts';
import { Article } from './article.ts';
import { picker } from './picker.ts';

/** The most characters of an answer that a screen reader announces; the rest is in the conversation. */
const maxAnnounced = 1_000;
/** Remembers this tab's conversation across a reload. */
const openKey = 'qvac.open';

export interface ChatInit {
  /** Called when the list of conversations changed. */
  saved(): void;
  go(view: NonNullable<ErrorText['view']>): void;
}

/** The conversation and the field for the next question. */
export class ChatView {
  readonly element: HTMLElement;
  readonly #log = h('div', {
    class: 'log',
    role: 'log',
    'aria-label': 'Conversation',
    'aria-live': 'off',
    tabindex: 0,
  });
  readonly #status = h('p', { class: 'visually-hidden', role: 'status' });
  readonly #prompt: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #init: ChatInit;
  /** Answers in progress, by conversation. */
  readonly #running = new Map<
    string,
    { readonly running: Running; readonly conversation: Conversation; readonly turn: Turn }
  >();
  #conversation: Conversation = store.create();
  #articles: Article[] = [];
  /** Requests fail when the page unloads; those failures are not saved. */
  #leaving = false;

  constructor(init: ChatInit) {
    this.#init = init;
    this.#prompt = h('textarea', {
      id: 'prompt',
      rows: 1,
      placeholder: 'Ask something',
      input: () => this.#fit(),
      keydown: (event) => this.#onKey(event as KeyboardEvent),
    });
    this.#send = h('button', { type: 'submit', class: 'primary' }, 'Ask');
    this.#stop = h(
      'button',
      {
        type: 'button',
        class: 'danger',
        hidden: true,
        'aria-keyshortcuts': 'Escape',
        click: () => this.#running.get(this.#conversation.id)?.running.stop(),
      },
      'Stop',
    );
    const form = h(
      'form',
      { class: 'composer', submit: (event) => this.#onSubmit(event) },
      h('label', { for: 'prompt', class: 'visually-hidden' }, 'Your question'),
      this.#prompt,
      this.#send,
      this.#stop,
    );
    this.element = h(
      'section',
      { class: 'chat', 'aria-labelledby': 'chat-title' },
      h('h2', { id: 'chat-title', class: 'visually-hidden' }, 'Chat'),
      picker(),
      this.#log,
      this.#status,
      form,
    );
    // Keeps the questions in progress across a reload.
    addEventListener('pagehide', () => {
      for (const { conversation } of this.#running.values()) store.save(conversation);
      this.#leaving = true;
    });
    addEventListener('pageshow', () => (this.#leaving = false));
    const last = sessionStorage.getItem(openKey);
    this.#show(store.conversations.find(({ id }) => id === last) ?? store.create());
  }

  get current(): string {
    return this.#conversation.id;
  }

  open(conversation: Conversation): void {
    // An answer in progress continues in its own conversation object.
    this.#show(this.#running.get(conversation.id)?.conversation ?? conversation);
    this.#prompt.focus();
  }

  startNew(): void {
    this.open(store.create());
  }

  /** Forgets a conversation; stops its answer in progress without saving it. */
  drop(id: string): void {
    this.#running.get(id)?.running.stop();
    this.#running.delete(id);
    if (id === this.current) this.startNew();
  }

  dropAll(): void {
    for (const id of [...this.#running.keys()]) this.drop(id);
    this.startNew();
  }

  #show(conversation: Conversation): void {
    this.#conversation = conversation;
    sessionStorage.setItem(openKey, conversation.id);
    const running = this.#running.get(conversation.id)?.turn;
    this.#articles = conversation.turns.map((turn) => this.#articleOf(turn, turn === running));
    this.#log.replaceChildren(
      ...(this.#articles.length === 0 ? [welcome()] : this.#articles.map(({ element }) => element)),
    );
    this.#refresh();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #articleOf(turn: Turn, running: boolean): Article {
    return new Article({
      turn,
      running,
      again: () => this.#regenerate(),
      go: (view) => this.#init.go(view),
      said: (words) => this.#announce(words),
    });
  }

  /** Updates the buttons. */
  #refresh(): void {
    const busy = this.#running.has(this.#conversation.id);
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    for (const article of this.#articles) article.last = article === this.#articles.at(-1) && !busy;
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') this.#running.get(this.#conversation.id)?.running.stop();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#prompt.form?.requestSubmit();
  }

  #onSubmit(event: Event): void {
    event.preventDefault();
    const content = this.#prompt.value.trim();
    if (content === '' || this.#running.has(this.#conversation.id)) return;
    this.#prompt.value = '';
    this.#fit();
    const { turns } = this.#conversation;
    if (turns.length === 0) {
      this.#conversation.title = content.slice(0, 60);
      this.#log.replaceChildren();
    }
    this.#append({ role: 'user', content }, false);
    void this.#answer();
  }

  #regenerate(): void {
    if (this.#running.has(this.#conversation.id)) return;
    this.#conversation.turns.pop();
    this.#articles.pop()?.element.remove();
    this.#prompt.focus();
    void this.#answer();
  }

  #append(turn: Turn, running: boolean): Article {
    const article = this.#articleOf(turn, running);
    this.#conversation.turns.push(turn);
    this.#articles.push(article);
    this.#log.append(article.element);
    this.#log.scrollTop = this.#log.scrollHeight;
    return article;
  }

  async #answer(): Promise<void> {
    const conversation = this.#conversation;
    const asked = [...conversation.turns];
    const turn: Turn = { role: 'assistant', content: '' };
    this.#append(turn, true);
    const running = ask(asked, store.settings, turn, () => this.#articleNow(turn)?.grown((draw) => this.#pinned(draw)));
    this.#running.set(conversation.id, { running, conversation, turn });
    this.#save(conversation);
    this.#refresh();
    this.#announce('Waiting for the answer.');
    await running.done;
    if (!this.#running.delete(conversation.id)) return;
    this.#save(conversation);
    this.#pinned(() => {
      this.#articleNow(turn)?.over();
      this.#refresh();
    });
    if (this.#conversation === conversation) this.#announce(spoken(turn));
    if (turn.trust?.verified === 'pending') await this.#settle(conversation, turn);
  }

  /** Waits for the verdict of an answer. */
  async #settle(conversation: Conversation, turn: Turn): Promise<void> {
    if (turn.trust === undefined) return;
    await settled(turn.trust, (trust) => {
      turn.trust = trust;
      this.#save(conversation);
      this.#articleNow(turn)?.over();
      const { short, long } = statusLabels[trust.verified];
      if (this.#conversation === conversation) this.#announce(`The answer above: ${short}. ${long}`);
    });
  }

  #save(conversation: Conversation): void {
    if (this.#leaving) return;
    store.save(conversation);
    this.#init.saved();
  }

  /** Null if another conversation is shown. */
  #articleNow(turn: Turn): Article | null {
    return this.#articles.find((article) => article.turn === turn) ?? null;
  }

  /** Draws, and keeps the end in view if it was in view before. */
  #pinned(draw: () => void): void {
    const pinned = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 80;
    draw();
    if (pinned) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #announce(words: string): void {
    this.#status.textContent = words;
  }

  #fit(): void {
    this.#prompt.rows = Math.min(8, this.#prompt.value.split('\n').length);
  }
}

/** An answer for a screen reader: its text and verification status, or the error. */
function spoken({ content, trust, error }: Turn): string {
  const text =
    content.length <= maxAnnounced ? content : `${content.slice(0, maxAnnounced)} … The rest is in the conversation.`;
  if (trust !== undefined) return `Answer: ${text} ${statusLabels[trust.verified].short}.`;
  const { words, next } = errorTextOf(error?.code ?? 'LEFT', error?.message ?? '');
  return `${text} ${words} ${next}`;
}

function welcome(): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h(
      'p',
      {},
      h('strong', {}, 'Use an open model on someone else’s computer, and check that the answer really came from it.'),
    ),
    h(
      'p',
      {},
      'The line under each answer shows its provider, its cost and how far it was verified. Click it to open the ' +
        'receipt.',
    ),
  );
}
