import type { VerificationStatus } from './labels.ts';
import { randomHex } from './random.ts';

/** The facts in the line under an answer. */
export interface Trust {
  readonly tokens: number;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
  /** The router in between, or null. */
  readonly router?: string | null;
  readonly model: string;
  /** Lamports as decimal text. */
  readonly cost: string;
  readonly verified: VerificationStatus;
  readonly receipt: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant';
  content: string;
  trust?: Trust;
  /** The provider, shown until `trust` is known. */
  by?: { readonly provider: string; readonly model: string };
  /** Why the answer is incomplete: a code and the gateway's message. */
  error?: { readonly code: string; readonly message: string };
}

export interface Conversation {
  readonly id: string;
  title: string;
  at: number;
  turns: Turn[];
}

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
  theme: 'auto' | 'light' | 'dark';
}

const conversationsKey = 'qvac.conversations';
const settingsKey = 'qvac.settings';
const maxConversations = 100;

const fresh: PageSettings = {
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

/** This browser's conversations and settings, shared by all tabs of the page. */
class Store {
  readonly settings: PageSettings = { ...fresh, ...read<Partial<PageSettings>>(settingsKey, {}) };
  conversations: readonly Conversation[] = readConversations();
  readonly #listeners = new Set<() => void>();

  /** Calls `listener` when another tab changes them. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    addEventListener('storage', ({ key }) => {
      if (key !== null && key !== conversationsKey && key !== settingsKey) return;
      this.conversations = readConversations();
      Object.assign(this.settings, fresh, read<Partial<PageSettings>>(settingsKey, {}));
      for (const listener of this.#listeners) listener();
    });
  }

  saveSettings(): void {
    try {
      localStorage.setItem(settingsKey, JSON.stringify(this.settings));
    } catch {
      // Storage is full: the settings last until the page is closed.
    }
  }

  create(): Conversation {
    return { id: randomHex(16), title: '', at: Date.now(), turns: [] };
  }

  /** Stores a conversation as the newest one. Drops the oldest ones when storage is full. */
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

/** Read from storage, since another tab may have changed them. */
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
