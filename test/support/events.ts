/** Collects events, and waits for one; earlier events count. */
export class Events<Item extends { readonly event: string }> {
  readonly all: Item[] = [];
  readonly #waiting = new Set<() => void>();

  push(item: Item): void {
    this.all.push(item);
    for (const look of [...this.#waiting]) look();
  }

  /** The first matching event of this name. @throws Error if there is none within `timeoutMs` */
  until<Name extends Item['event']>(
    name: Name,
    timeoutMs = 60_000,
    fits: (item: Extract<Item, { readonly event: Name }>) => boolean = () => true,
  ): Promise<Extract<Item, { readonly event: Name }>> {
    type Named = Extract<Item, { readonly event: Name }>;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          finish(() =>
            reject(
              new Error(
                `no ${name} within ${timeoutMs} ms; there were: ${this.all.map(({ event }) => event).join(', ')}`,
              ),
            ),
          ),
        timeoutMs,
      );
      const finish = (end: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        end();
      };
      const look = (): void => {
        const found = this.all.find((item): item is Named => item.event === name && fits(item as Named));
        if (found !== undefined) finish(() => resolve(found));
      };
      this.#waiting.add(look);
      look();
    });
  }
}
