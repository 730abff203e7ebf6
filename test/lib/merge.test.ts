import assert from 'node:assert/strict';
import { it } from 'node:test';
import { merge } from '../../src/lib/merge.ts';

interface Tap {
  readonly source: AsyncIterable<number>;
  readonly put: (value: number) => void;
  readonly fail: (error: Error) => void;
  readonly end: () => void;
  readonly isReturned: () => boolean;
}

function tap(): Tap {
  let next = Promise.withResolvers<number | null>();
  const queue = [next];
  const settle = (use: (each: PromiseWithResolvers<number | null>) => void): void => {
    use(next);
    next = Promise.withResolvers();
    queue.push(next);
  };
  let returned = false;
  async function* read(): AsyncGenerator<number> {
    try {
      for (;;) {
        const value = await queue.shift()?.promise;
        if (value === null || value === undefined) return;
        yield value;
      }
    } finally {
      returned = true;
    }
  }
  return {
    source: read(),
    put: (value) => settle(({ resolve }) => resolve(value)),
    fail: (error) => settle(({ reject }) => reject(error)),
    end: () => settle(({ resolve }) => resolve(null)),
    isReturned: () => returned,
  };
}

it('yields what comes first, whichever source it comes from, and ends with the last one', async () => {
  const [a, b] = [tap(), tap()];
  const merged = merge(a.source, b.source);
  b.put(1);
  assert.equal((await merged.next()).value, 1);
  a.put(2);
  assert.equal((await merged.next()).value, 2);
  b.end();
  a.put(3);
  assert.equal((await merged.next()).value, 3);
  a.end();
  assert.equal((await merged.next()).done, true);
});

it('fails with a source, and ends the sources once its consumer leaves', async () => {
  const [a, b] = [tap(), tap()];
  const merged = merge(a.source, b.source);
  a.fail(new Error('gone'));
  await assert.rejects(merged.next(), /gone/);
  b.put(1);
  const [c, d] = [tap(), tap()];
  c.put(1);
  for await (const _ of merge(c.source, d.source)) break;
  c.put(2);
  d.put(3);
  while (![b, c, d].every((each) => each.isReturned())) await new Promise(setImmediate);
});
