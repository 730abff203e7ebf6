/** Conversations as JSON, the newest first. */
export const conversationsKey = 'qvac.conversations';

/** The value that is stored as JSON; `otherwise` if there is none. */
export function read<Value>(key: string, otherwise: Value): Value {
  try {
    const text = localStorage.getItem(key);
    return text === null ? otherwise : (JSON.parse(text) as Value);
  } catch {
    return otherwise;
  }
}

/** Stores a value as JSON. @returns whether there was room */
export function write(key: string, value: unknown): boolean {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/**
 * Stores a text that the page depends on: the oldest conversations make room for it.
 * @returns whether there was room
 */
export function keepText(key: string, text: string): boolean {
  for (;;) {
    try {
      localStorage.setItem(key, text);
      return true;
    } catch {
      const stored = read<unknown>(conversationsKey, []);
      if (!Array.isArray(stored) || stored.length === 0 || !write(conversationsKey, stored.slice(0, -1))) return false;
    }
  }
}
