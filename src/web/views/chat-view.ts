import { ask, type Running, settled } from '../answer.ts';
import { type Conversation, claimMs, isBusyElsewhere, removeTurn, type Turn } from '../conversation.ts';
import { h } from '../dom.ts';
import type { ErrorText } from '../error-texts.ts';
import { statusLabels } from '../labels.ts';
import { store } from '../store.ts';
import { wallets } from '../wallet.ts';
import { Article } from './article.ts';
import { channelStrip } from './channel-strip.ts';
import { spoken, welcome } from './chat-texts.ts';
import { Composer } from './composer.ts';
import { picker } from './picker.ts';

/** How often the partial answer is stored, for other tabs and a reload, ms. */
const storeMs = 2_000;
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
  readonly #composer = new Composer({
    send: (question) => this.#ask(question),
    stop: () => this.#running.get(this.#conversation.id)?.running.stop(),
  });
  readonly #init: ChatInit;
  /** Answers in progress, by conversation. */
  readonly #running = new Map<
    string,
    { readonly running: Running; readonly conversation: Conversation; readonly turn: Turn }
  >();
  /** The one object of each conversation that this tab has opened: answers and verdicts are written into it. */
  readonly #opened = new Map<string, Conversation>();
  /** Receipts whose verdicts are awaited. */
  readonly #settling = new Set<string>();
  #conversation: Conversation = store.create();
  #articles: Article[] = [];
  #claimTimer: ReturnType<typeof setTimeout> | undefined;
  /** Requests fail when the page unloads; those failures are not saved. */
  #leaving = false;

  constructor(init: ChatInit) {
    this.#init = init;
    this.element = h(
      'section',
      { class: 'chat', 'aria-labelledby': 'chat-title' },
      h('h2', { id: 'chat-title', class: 'visually-hidden' }, 'Chat'),
      h(
        'div',
        {},
        picker(),
        channelStrip(() => this.#init.go('money')),
      ),
      this.#log,
      this.#status,
      this.#composer.element,
    );
    // Keeps the questions in progress across a reload.
    addEventListener('pagehide', () => {
      for (const { conversation, turn } of this.#running.values()) {
        delete turn.busyUntil;
        store.save(conversation);
      }
      this.#leaving = true;
    });
    store.onChange(() => this.#follow());
    addEventListener('pageshow', () => (this.#leaving = false));
    const last = sessionStorage.getItem(openKey);
    this.#show(store.conversations.find(({ id }) => id === last) ?? store.create());
  }

  get current(): string {
    return this.#conversation.id;
  }

  open(conversation: Conversation): void {
    this.#show(conversation);
    this.#composer.focus();
  }

  startNew(): void {
    this.open(store.create());
  }

  /** Forgets a conversation; stops its answer in progress without saving it. */
  drop(id: string): void {
    this.#running.get(id)?.running.stop();
    this.#running.delete(id);
    this.#opened.delete(id);
    if (id === this.current) this.startNew();
  }

  dropAll(): void {
    for (const id of [...this.#opened.keys()]) this.drop(id);
  }

  #show(conversation: Conversation): void {
    const own = this.#opened.get(conversation.id) ?? conversation;
    this.#opened.set(own.id, own);
    store.follow(own);
    this.#conversation = own;
    sessionStorage.setItem(openKey, own.id);
    const running = this.#running.get(own.id)?.turn;
    this.#articles = own.turns.map((turn) => this.#articleOf(turn, turn === running));
    this.#log.replaceChildren(
      ...(this.#articles.length === 0 ? [welcome()] : this.#articles.map(({ element }) => element)),
    );
    this.#refresh();
    this.#log.scrollTop = this.#log.scrollHeight;
    for (const turn of own.turns) if (turn.trust?.verified === 'pending') void this.#settle(own, turn);
  }

  /** Takes in what other tabs stored. */
  #follow(): void {
    for (const conversation of [...this.#opened.values()]) {
      if (store.isForgotten(conversation.id)) this.drop(conversation.id);
      else if (store.follow(conversation) && conversation === this.#conversation) this.#sync();
    }
  }

  /** Brings the articles in line with the turns; unchanged ones stay where they are. */
  #sync(): void {
    this.#articles = this.#conversation.turns.map((turn) => this.#articleNow(turn) ?? this.#articleOf(turn, false));
    const elements = this.#articles.map(({ element }) => element);
    this.#pinned(() => {
      for (const article of this.#articles) article.update();
      for (const child of [...this.#log.children]) if (!elements.includes(child as HTMLElement)) child.remove();
      for (const [at, element] of elements.entries())
        if (this.#log.children[at] !== element) this.#log.insertBefore(element, this.#log.children[at] ?? null);
      this.#refresh();
    });
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
    const running = this.#running.has(this.#conversation.id);
    const claims = running
      ? []
      : this.#conversation.turns.filter(isBusyElsewhere).map(({ busyUntil = 0 }) => busyUntil);
    const busy = running || claims.length > 0;
    this.#composer.show(running ? 'running' : busy ? 'busy' : 'ready');
    for (const article of this.#articles) article.last = article === this.#articles.at(-1) && !busy;
    // The other tab may be closed, and its claim may end without another word.
    clearTimeout(this.#claimTimer);
    if (claims.length > 0)
      this.#claimTimer = setTimeout(() => this.#sync(), Math.max(0, Math.max(...claims) - Date.now()) + 1);
  }

  #ask(question: string): void {
    if (this.#conversation.turns.length === 0) {
      this.#conversation.title = question.slice(0, 60);
      this.#log.replaceChildren();
    }
    this.#append(store.turn(this.#conversation, 'user', question), false);
    void this.#answer();
  }

  #regenerate(): void {
    const last = this.#conversation.turns.at(-1);
    if (!this.#composer.isReady || last === undefined) return;
    removeTurn(this.#conversation, last);
    this.#articles.pop()?.element.remove();
    this.#composer.focus();
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
    const turn = store.turn(conversation, 'assistant', '');
    this.#append(turn, true);
    const running = ask(asked, store.settings, turn, () => this.#articleNow(turn)?.grown((draw) => this.#pinned(draw)));
    this.#running.set(conversation.id, { running, conversation, turn });
    const claim = (): void => {
      turn.busyUntil = Date.now() + claimMs;
      this.#save(conversation);
    };
    claim();
    const timer = setInterval(claim, storeMs);
    this.#refresh();
    this.#announce('Waiting for the answer.');
    await running.done;
    clearInterval(timer);
    delete turn.busyUntil;
    if (!this.#running.delete(conversation.id)) return;
    this.#save(conversation);
    this.#pinned(() => {
      this.#articleNow(turn)?.over();
      this.#refresh();
    });
    if (this.#conversation === conversation) this.#announce(spoken(turn));
    followMoney();
    if (turn.trust?.verified === 'pending') await this.#settle(conversation, turn);
  }

  /** Waits for the verdict of an answer. */
  async #settle(conversation: Conversation, turn: Turn): Promise<void> {
    const { trust: pending } = turn;
    if (pending === undefined || this.#settling.has(pending.receipt)) return;
    this.#settling.add(pending.receipt);
    await settled(pending, (trust) => {
      turn.trust = trust;
      this.#save(conversation);
      followMoney();
      this.#articleNow(turn)?.over();
      const { short, long } = statusLabels[trust.verified];
      if (this.#conversation === conversation) this.#announce(`The answer above: ${short}. ${long}`);
    });
  }

  #save(conversation: Conversation): void {
    if (this.#leaving) return;
    const turns = conversation.turns.length;
    store.save(conversation);
    // Saving merged turns of another tab.
    if (conversation === this.#conversation && conversation.turns.length !== turns) this.#sync();
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
}

/** An answer or its verdict changes what the connected wallet has spent. */
function followMoney(): void {
  wallets.refresh().catch(() => undefined);
}
