import { absorb, type Conversation, nextTime, type Trust, type Turn } from './conversation.ts';
import { isStatus } from './labels.ts';
import { randomHex } from './random.ts';
import { conversationsKey, read, write } from './storage.ts';

export interface PageSettings {
  model: string;
  provider: string;
  verify: '' | 'none' | 'sampling' | 'full';
  system: string;
  temperature: string;
  maxTokens: string;
  seed: string;
  /** SOL, as typed. */
  maxPrice: string;
  /** How the connected wallet pays. */
  pay: 'auto' | 'job' | 'channel';
  /** The most that one channel may hold, SOL, as typed. */
  maxDeposit: string;
  /** Whether other providers check answers that this machine cannot; '': as the gateway says. */
  referees: '' | 'yes' | 'no';
  /** How many of them at first. */
  refereeCount: '1' | '3';
  theme: 'auto' | 'light' | 'dark';
}

const forgottenKey = 'qvac.forgotten';
const settingsKey = 'qvac.settings';
const maxConversations = 100;
/** The longest text of an answer in storage, characters, so that one answer cannot push out all conversations. */
const maxAnswer = 200_000;
const maxForgotten = 1_000;

const fresh: PageSettings = {
  model: '',
  provider: '',
  verify: '',
  system: '',
  temperature: '',
  maxTokens: '',
  seed: '',
  maxPrice: '',
  pay: 'auto',
  maxDeposit: '',
  referees: '',
  refereeCount: '1',
  theme: 'auto',
};

/** This browser's conversations and settings, shared by all tabs of the page. */
class Store {
  readonly settings: PageSettings = readSettings();
  conversations: readonly Conversation[] = readConversations();
  readonly #listeners = new Set<() => void>();
  /** Changes that storage had no room for; they last until the page is closed. */
  #unsaved: Partial<PageSettings> = {};

  /** Calls `listener` when another tab changes them. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Another tab changed the value under `key`, or all values (null). */
  changed(key: string | null): void {
    if (key !== null && key !== conversationsKey && key !== forgottenKey && key !== settingsKey) return;
    this.conversations = readConversations();
    // A tab that did not know yet what another one forgot may have stored it again.
    if (this.conversations.length < readStored().length) this.#keep(this.conversations);
    Object.assign(this.settings, readSettings(), this.#unsaved);
    for (const listener of this.#listeners) listener();
  }

  /** Changes some settings and keeps those that another tab changed. */
  changeSettings(change: Partial<PageSettings>): void {
    this.#unsaved = { ...this.#unsaved, ...change };
    Object.assign(this.settings, readSettings(), this.#unsaved);
    if (write(settingsKey, this.settings)) this.#unsaved = {};
  }

  create(): Conversation {
    return { id: randomHex(16), title: '', at: Date.now(), turns: [], removed: [] };
  }

  /** A turn for the end of a conversation, even if the clock was set back since its last one. */
  turn({ turns }: Conversation, role: Turn['role'], content: string): Turn {
    const before = turns.at(-1)?.at ?? 0;
    return { id: randomHex(8), role, at: nextTime(Math.max(Date.now(), before + 1)), content };
  }

  /**
   * Stores a conversation as the newest one, merged with the stored copy; of a very long answer only the beginning.
   * Drops the oldest ones when storage is full.
   */
  save(conversation: Conversation): void {
    if (this.isForgotten(conversation.id)) return;
    conversation.at = Date.now();
    const stored = readConversations();
    const copy = stored.find(({ id }) => id === conversation.id);
    if (copy !== undefined) absorb(conversation, copy);
    const others = stored.filter(({ id }) => id !== conversation.id);
    this.#keep([shortened(conversation), ...others].slice(0, maxConversations));
  }

  /**
   * Takes in another tab's changes to a conversation of this tab, and stores the turns that they lack, or all of it if
   * a tab that did not know it yet wrote over it.
   * @returns whether `conversation` changed
   */
  follow(conversation: Conversation): boolean {
    const stored = readConversations();
    const copy = stored.find(({ id }) => id === conversation.id);
    if (copy === undefined) {
      this.#restore(conversation, stored);
      return false;
    }
    const changed = absorb(conversation, copy);
    if (absorb(copy, shortened(conversation))) this.save(conversation);
    return changed;
  }

  remove(id: string): void {
    this.#forget([id]);
  }

  clear(): void {
    this.#forget(readConversations().map(({ id }) => id));
  }

  /** Whether a tab removed this conversation. */
  isForgotten(id: string): boolean {
    return readForgotten().includes(id);
  }

  #forget(ids: readonly string[]): void {
    const forgotten = [...readForgotten(), ...ids].slice(-maxForgotten);
    const isNoted = write(forgottenKey, forgotten);
    this.#keep(readConversations().filter(({ id }) => !ids.includes(id)));
    // Storage was full: what left it makes room.
    if (!isNoted) write(forgottenKey, forgotten);
  }

  /** Pushes out no other conversation: the tabs that show it would restore that one. */
  #restore(conversation: Conversation, stored: readonly Conversation[]): void {
    const { id, turns } = conversation;
    const isCleared = read<unknown>(conversationsKey, null) === null;
    if (turns.length === 0 || stored.length >= maxConversations || isCleared || this.isForgotten(id)) return;
    const all = [shortened(conversation), ...stored];
    if (write(conversationsKey, all)) this.conversations = all;
  }

  #keep(conversations: readonly Conversation[]): void {
    let kept = conversations;
    while (!write(conversationsKey, kept) && kept.length > 1) kept = kept.slice(0, -1);
    this.conversations = kept;
  }
}

/** A conversation as it is stored. */
function shortened(conversation: Conversation): Conversation {
  return { ...conversation, turns: conversation.turns.map((turn) => (turn.role === 'user' ? turn : cut(turn))) };
}

function cut(turn: Turn): Turn {
  const { content, reasoning } = turn;
  return { ...turn, content: beginningOf(content), ...(reasoning && { reasoning: beginningOf(reasoning) }) };
}

function beginningOf(text: string): string {
  return text.length <= maxAnswer ? text : `${text.slice(0, maxAnswer - 1)}…`;
}

const amounts: ReadonlySet<string> = new Set<keyof PageSettings>(['maxPrice', 'maxDeposit']);
/** SOL, as typed. */
const amount = /^\d{0,9}(\.\d{0,9})?$/;

/** What storage holds in another form, as another version may have written it, counts as not set. */
function readSettings(): PageSettings {
  const stored = Object.entries(partsOf<PageSettings>(read<unknown>(settingsKey, {})));
  const usable = stored.filter(
    ([name, value]) => typeof value === 'string' && (amounts.has(name) ? amount.test(value) : name in fresh),
  );
  return { ...fresh, ...Object.fromEntries(usable) };
}

/** Read from storage, since another tab may have changed them; without those that a tab removed. */
function readConversations(): readonly Conversation[] {
  const forgotten = new Set(readForgotten());
  return readStored().filter(({ id }) => !forgotten.has(id));
}

function readStored(): readonly Conversation[] {
  const found = read<unknown>(conversationsKey, []);
  return Array.isArray(found) ? found.filter(isConversation) : [];
}

function readForgotten(): readonly string[] {
  const found = read<unknown>(forgottenKey, []);
  return Array.isArray(found) ? found.filter((id) => typeof id === 'string') : [];
}

function isConversation(value: unknown): value is Conversation {
  const { id, title, at, turns, removed } = partsOf<Conversation>(value);
  return (
    typeof id === 'string' &&
    typeof title === 'string' &&
    typeof at === 'number' &&
    Array.isArray(turns) &&
    turns.every(isTurn) &&
    Array.isArray(removed) &&
    removed.every((each) => typeof each === 'string')
  );
}

function isTurn(value: unknown): value is Turn {
  const { id, role, at, content, reasoning, error, trust, by } = partsOf<Turn>(value);
  return (
    typeof id === 'string' &&
    (role === 'user' || role === 'assistant') &&
    typeof at === 'number' &&
    typeof content === 'string' &&
    (reasoning === undefined || typeof reasoning === 'string') &&
    (error === undefined || areTexts(error, ['code', 'message'])) &&
    (by === undefined || areTexts(by, ['provider', 'model'])) &&
    (trust === undefined || isTrust(trust))
  );
}

function isTrust(value: unknown): value is Trust {
  const { tokens, tokensPerSecond, cost, verified, earlier = [] } = partsOf<Trust>(value);
  return (
    areTexts(value, ['provider', 'model', 'cost', 'receipt']) &&
    /^\d{1,20}$/.test(String(cost)) &&
    isStatus(verified) &&
    typeof tokens === 'number' &&
    (tokensPerSecond === null || typeof tokensPerSecond === 'number') &&
    Array.isArray(earlier) &&
    earlier.every((each) => areTexts(each, ['provider']))
  );
}

function areTexts(value: unknown, names: readonly string[]): boolean {
  const parts = partsOf<Record<string, unknown>>(value);
  return names.every((name) => typeof parts[name] === 'string');
}

function partsOf<Of>(value: unknown): Partial<Record<keyof Of, unknown>> {
  return (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof Of, unknown>>;
}

export const store = new Store();
