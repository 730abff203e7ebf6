import { randomHex } from './random.ts';
import type { Verified } from './words.ts';

/** What is known of an answer; the same as the line under it. */
export interface Trust {
  readonly tokens: number;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
  /** In between, or null. */
  readonly router?: string | null;
  readonly model: string;
  /** Lamports, in digits. */
  readonly cost: string;
  readonly verified: Verified;
  readonly receipt: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant';
  content: string;
  trust?: Trust;
  /** Who is answering, as long as there is no more to say. */
  by?: { readonly provider: string; readonly model: string };
  /** Why it is not whole: a code, and what the gateway said. */
  error?: { readonly code: string; readonly message: string };
}

export interface Conversation {
  readonly id: string;
  title: string;
  at: number;
  turns: Turn[];
}

export interface Settings {
  model: string;
  provider: string;
  verify: '' | 'none' | 'sampling' | 'full';
  system: string;
  temperature: string;
  maxTokens: string;
  seed: string;
  /** SOL, as it was typed. */
  maxPrice: string;
  theme: 'auto' | 'light' | 'dark';
}

const conversationsKey = 'qvac.conversations';
const settingsKey = 'qvac.settings';
const maxConversations = 100;

const fresh: Settings = {
  model: '',
  provider: '',
  verify: '',
  system: '',
  temperature: '',
  maxTokens: '',
  seed: '',
  maxPrice: '',
  theme: 'auto',
};

function read<Value>(key: string, otherwise: Value): Value {
  try {
    const text = localStorage.getItem(key);
    return text === null ? otherwise : (JSON.parse(text) as Value);
  } catch {
    return otherwise;
  }
}

/** Everything that this page remembers. It stays in this browser, and is the same in all of its tabs. */
class Store {
  readonly settings: Settings = { ...fresh, ...read<Partial<Settings>>(settingsKey, {}) };
  conversations: readonly Conversation[] = readConversations();
  readonly #listeners = new Set<() => void>();

  /** Hears of what another tab of this page has changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    addEventListener('storage', ({ key }) => {
      if (key !== null && key !== conversationsKey && key !== settingsKey) return;
      this.conversations = readConversations();
      Object.assign(this.settings, fresh, read<Partial<Settings>>(settingsKey, {}));
      for (const listener of this.#listeners) listener();
    });
  }

  saveSettings(): void {
    try {
      localStorage.setItem(settingsKey, JSON.stringify(this.settings));
    } catch {
      // No room: they hold until the page is left.
    }
  }

  create(): Conversation {
    return { id: randomHex(16), title: '', at: Date.now(), turns: [] };
  }

  /** Keeps it, as the newest. The oldest are forgotten where the browser has no more room. */
  save(conversation: Conversation): void {
    conversation.at = Date.now();
    this.#keep(
      [conversation, ...readConversations().filter(({ id }) => id !== conversation.id)].slice(0, maxConversations),
    );
  }

  remove(id: string): void {
    this.#keep(readConversations().filter((each) => each.id !== id));
  }

  clear(): void {
    this.#keep([]);
  }

  #keep(conversations: readonly Conversation[]): void {
    let kept = conversations;
    while (!write(kept) && kept.length > 1) kept = kept.slice(0, -1);
    this.conversations = kept;
  }
}

/** As another tab may have left them a moment ago. */
function readConversations(): readonly Conversation[] {
  const found = read<unknown>(conversationsKey, []);
  return Array.isArray(found) ? found.filter(isConversation) : [];
}

function isConversation(value: unknown): value is Conversation {
  const { id, title, turns } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Conversation, unknown>
  >;
  return typeof id === 'string' && typeof title === 'string' && Array.isArray(turns) && turns.every(isTurn);
}

function isTurn(value: unknown): value is Turn {
  const { role, content, error } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Turn, unknown>
  >;
  return (
    (role === 'user' || role === 'assistant') &&
    typeof content === 'string' &&
    (error === undefined || typeof error === 'object')
  );
}

function write(conversations: readonly Conversation[]): boolean {
  try {
    localStorage.setItem(conversationsKey, JSON.stringify(conversations));
    return true;
  } catch {
    return false;
  }
}

export const store = new Store();
