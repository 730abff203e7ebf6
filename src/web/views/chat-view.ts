import { ask, type Running, settled } from '../answer.ts';
import { h } from '../dom.ts';
import { type Trouble, troubleOf } from '../errors.ts';
import { type Conversation, store, type Turn } from '../store.ts';
import { verifiedWords } from '../words.ts';
import { Article } from './article.ts';
import { picker } from './picker.ts';

/** What a screen reader is told of an answer at once; the rest is read in the conversation. */
const maxAnnounced = 1_000;
/** The conversation that this tab shows, for a reload. */
const openKey = 'qvac.open';

export interface ChatInit {
  /** The list of conversations has changed. */
  saved(): void;
  go(view: NonNullable<Trouble['view']>): void;
}

/** The conversation: what was asked and answered, and where the next question is typed. */
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
  /** What is being answered, by conversation. */
  readonly #running = new Map<
    string,
    { readonly running: Running; readonly conversation: Conversation; readonly turn: Turn }
  >();
  #conversation: Conversation = store.create();
  #articles: Article[] = [];
  /** What fails now fails because the page goes. */
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
    // What was asked is not lost with the page.
    addEventListener('pagehide', () => {
      for (const { conversation } of this.#running.values()) store.save(conversation);
      this.#leaving = true;
    });
    addEventListener('pageshow', () => (this.#leaving = false));
    const last = sessionStorage.getItem(openKey);
    this.#take(store.conversations.find(({ id }) => id === last) ?? store.create());
  }

  get current(): string {
    return this.#conversation.id;
  }

  open(conversation: Conversation): void {
    // What is under way goes on, where it belongs.
    this.#take(this.#running.get(conversation.id)?.conversation ?? conversation);
    this.#prompt.focus();
  }

  startNew(): void {
    this.open(store.create());
  }

  /** It is forgotten: what is under way in it ends, and is not kept. */
  drop(id: string): void {
    this.#running.get(id)?.running.stop();
    this.#running.delete(id);
    if (id === this.current) this.startNew();
  }

  dropAll(): void {
    for (const id of [...this.#running.keys()]) this.drop(id);
    this.startNew();
  }

  #take(conversation: Conversation): void {
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
      said: (words) => this.#say(words),
    });
  }

  /** Which buttons are there. */
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
    this.#say('Waiting for the answer.');
    await running.done;
    if (!this.#running.delete(conversation.id)) return;
    this.#save(conversation);
    this.#pinned(() => {
      this.#articleNow(turn)?.over();
      this.#refresh();
    });
    if (this.#conversation === conversation) this.#say(spoken(turn));
    if (turn.trust?.verified === 'pending') await this.#settle(conversation, turn);
  }

  /** Follows an answer whose checks are still running. */
  async #settle(conversation: Conversation, turn: Turn): Promise<void> {
    if (turn.trust === undefined) return;
    await settled(turn.trust, (trust) => {
      turn.trust = trust;
      this.#save(conversation);
      this.#articleNow(turn)?.over();
      const { short, long } = verifiedWords[trust.verified];
      if (this.#conversation === conversation) this.#say(`The answer above: ${short}. ${long}`);
    });
  }

  #save(conversation: Conversation): void {
    if (this.#leaving) return;
    store.save(conversation);
    this.#init.saved();
  }

  /** Null where another conversation is shown. */
  #articleNow(turn: Turn): Article | null {
    return this.#articles.find((article) => article.turn === turn) ?? null;
  }

  /** Draws, and stays at the end where the reader was there. */
  #pinned(draw: () => void): void {
    const pinned = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 80;
    draw();
    if (pinned) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #say(words: string): void {
    this.#status.textContent = words;
  }

  #fit(): void {
    this.#prompt.rows = Math.min(8, this.#prompt.value.split('\n').length);
  }
}

/** An answer for who does not see it: its text, how far it was checked, or what went wrong. */
function spoken({ content, trust, error }: Turn): string {
  const text =
    content.length <= maxAnnounced ? content : `${content.slice(0, maxAnnounced)} … The rest is in the conversation.`;
  if (trust !== undefined) return `Answer: ${text} ${verifiedWords[trust.verified].short}.`;
  const { words, next } = troubleOf(error?.code ?? 'LEFT', error?.message ?? '');
  return `${text} ${words} ${next}`;
}

function welcome(): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h(
      'p',
      {},
      h('strong', {}, 'Ask an open model on somebody else’s computer, and see whether the answer really came from it.'),
    ),
    h(
      'p',
      {},
      'The line under each answer says who gave it, what it cost and how far it was checked. It opens the receipt.',
    ),
  );
}
