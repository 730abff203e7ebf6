import type { Verified } from './words.ts';

/** What is known of an answer; the same as the line under it. */
export interface Trust {
  readonly tokens: number;
  readonly tokensPerSecond: number | null;
  readonly provider: string;
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
  /** Why it is not whole. */
  error?: string;
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
const mostConversations = 100;

const fresh: Settings = { model: '', provider: '', verify: '', system: '', temperature: '', maxTokens: '', seed: '', maxPrice: '', theme: 'auto' };

function read<Value>(key: string, otherwise: Value): Value {
  try {
    const text = localStorage.getItem(key);
    return text === null ? otherwise : (JSON.parse(text) as Value);
  } catch {
    return otherwise;
  }
}

/** Everything that this page remembers. It stays in this browser. */
class Store {
  readonly settings: Settings = { ...fresh, ...read<Partial<Settings>>(settingsKey, {}) };
  conversations: Conversation[] = read<Conversation[]>(conversationsKey, []);

  saveSettings(): void {
    localStorage.setItem(settingsKey, JSON.stringify(this.settings));
  }

  start(): Conversation {
    const conversation: Conversation = { id: crypto.randomUUID(), title: '', at: Date.now(), turns: [] };
    return conversation;
  }

  /** Keeps it, as the newest. The oldest are forgotten where the browser has no more room. */
  save(conversation: Conversation): void {
    conversation.at = Date.now();
    this.conversations = [conversation, ...this.conversations.filter(({ id }) => id !== conversation.id)].slice(0, mostConversations);
    while (!this.#write() && this.conversations.length > 1) this.conversations.pop();
  }

  remove(id: string): void {
    this.conversations = this.conversations.filter((each) => each.id !== id);
    this.#write();
  }

  clear(): void {
    this.conversations = [];
    this.#write();
  }

  #write(): boolean {
    try {
      localStorage.setItem(conversationsKey, JSON.stringify(this.conversations));
      return true;
    } catch {
      return false;
    }
  }
}

export const store = new Store();
