import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createLoader, type Loader } from '../../../src/model/run/loader.ts';
import type { Lanes, Weights } from '../../../src/model/run/weights.ts';

/** A loader over weights that write down what happens to them. */
function loggingLoader(idleMs: number | null, failures = 0): { readonly loader: Loader; readonly log: string[] } {
  const log: string[] = [];
  let failing = failures;
  const lanes: Lanes = {
    evaluate: () => Promise.resolve([]),
    length: () => 0,
    erase: () => Promise.resolve(),
    copy: () => Promise.resolve(false),
    dispose: () => Promise.resolve(void log.push('lanes down')),
  };
  const weights: Weights = {
    gpuLayers: 0,
    flash: true,
    isCuttable: true,
    isLastErasable: true,
    tokenize: () => [],
    isStop: () => false,
    openLanes: () => (failing-- > 0 ? Promise.reject(new Error('no memory')) : Promise.resolve(lanes)),
    openPool: () => Promise.reject(new Error('not here')),
    dispose: () => Promise.resolve(void log.push('down')),
  };
  const loader = createLoader({
    lanes: { lanes: 1, threads: 1, batch: 63, context: 256 },
    maxKept: 0,
    idleMs,
    loadWeights() {
      log.push('up');
      return Promise.resolve(weights);
    },
  });
  return { loader, log };
}

const settled = (): Promise<void> => new Promise((resume) => setImmediate(resume));

describe('weights in memory', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('are loaded once for all who use them', async () => {
    const { loader, log } = loggingLoader(null);
    await Promise.all([loader.use(() => Promise.resolve(1)), loader.use(() => Promise.resolve(2))]);
    mock.timers.tick(1e9);
    await settled();
    assert.deepEqual(log, ['up']);
    await loader.close();
    assert.deepEqual(log, ['up', 'lanes down', 'down']);
  });

  it('go when they were idle for long enough, and come back', async () => {
    const { loader, log } = loggingLoader(1000);
    await loader.use(() => Promise.resolve());
    mock.timers.tick(999);
    await settled();
    assert.deepEqual(log, ['up']);
    mock.timers.tick(1);
    await settled();
    assert.deepEqual(log, ['up', 'lanes down', 'down']);
    await loader.use(() => Promise.resolve());
    assert.deepEqual(log.slice(3), ['up']);
  });

  it('stay while somebody uses them', async () => {
    const { loader, log } = loggingLoader(1000);
    const done = Promise.withResolvers<void>();
    const long = loader.use(() => done.promise);
    await loader.use(() => Promise.resolve());
    mock.timers.tick(5000);
    await settled();
    assert.deepEqual(log, ['up']);
    done.resolve();
    await long;
    mock.timers.tick(1000);
    await settled();
    assert.deepEqual(log, ['up', 'lanes down', 'down']);
  });

  it('are tried again after a failure, and nothing of it stays', async () => {
    const { loader, log } = loggingLoader(null, 1);
    await assert.rejects(
      loader.use(() => Promise.resolve()),
      /no memory/,
    );
    assert.deepEqual(log, ['up', 'down']);
    assert.equal(await loader.use(() => Promise.resolve('well')), 'well');
  });

  it('outlast close only until who uses them is done', async () => {
    const { loader, log } = loggingLoader(null);
    const done = Promise.withResolvers<void>();
    const use = loader.use(() => done.promise);
    const closing = loader.close();
    await assert.rejects(
      loader.use(() => Promise.resolve()),
      { code: 'E_ENGINE' },
    );
    await settled();
    assert.deepEqual(log, ['up']);
    done.resolve();
    await Promise.all([use, closing, loader.close()]);
    assert.deepEqual(log, ['up', 'lanes down', 'down']);
  });
});
