/**
 * Yields what `sources` yield, as it comes.
 * @throws the first error of a source
 */
export async function* merge<Item>(...sources: readonly AsyncIterable<Item>[]): AsyncGenerator<Item> {
  const next = new Map<AsyncIterator<Item>, Promise<Arrival<Item>>>();
  const take = (source: AsyncIterator<Item>): void => {
    const arrival = source.next().then((result) => ({ source, result }));
    // It may fail after another source has, or after the consumer has left.
    arrival.catch(() => undefined);
    next.set(source, arrival);
  };
  for (const source of sources) take(source[Symbol.asyncIterator]());
  try {
    while (next.size > 0) {
      const { source, result } = await Promise.race(next.values());
      if (result.done === true) next.delete(source);
      else {
        take(source);
        yield result.value;
      }
    }
  } finally {
    for (const source of next.keys()) source.return?.().catch(() => undefined);
  }
}

interface Arrival<Item> {
  readonly source: AsyncIterator<Item>;
  readonly result: IteratorResult<Item, unknown>;
}
