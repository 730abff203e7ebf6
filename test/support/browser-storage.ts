/** A browser's storage with room for so many characters. */
class FakeStorage {
  readonly texts = new Map<string, string>();
  room = Infinity;

  getItem(key: string): string | null {
    return this.texts.get(key) ?? null;
  }

  setItem(key: string, text: string): void {
    const others = [...this.texts].filter(([name]) => name !== key);
    if (others.reduce((sum, [, each]) => sum + each.length, text.length) > this.room) throw new Error('full');
    this.texts.set(key, text);
  }
}

/** Gives the page's modules, which are imported afterwards, a storage. */
export function fakeStorage(): FakeStorage {
  const storage = new FakeStorage();
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
  return storage;
}
