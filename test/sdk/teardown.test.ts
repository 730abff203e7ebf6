import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../src/lib/log.ts';
import { createTeardown } from '../../src/sdk/teardown.ts';

describe('teardown', () => {
  it('stops the newest part first, one after another', async () => {
    const stopped: string[] = [];
    const teardown = createTeardown(silentLogger);
    teardown.add(() => stopped.push('first'));
    teardown.add(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      stopped.push('second');
    });
    await teardown.run();
    assert.deepEqual(stopped, ['second', 'first']);
    await teardown.run();
    assert.deepEqual(stopped, ['second', 'first'], 'each part is stopped once');
  });

  it('logs a part that fails, and stops the others', async () => {
    const reasons: unknown[] = [];
    let stopped = false;
    const teardown = createTeardown({ ...silentLogger, warn: (_message, fields) => reasons.push(fields?.reason) });
    teardown.add(() => {
      stopped = true;
    });
    teardown.add(() => Promise.reject(new Error('stuck')));
    await teardown.run();
    assert.deepEqual([reasons, stopped], [['stuck'], true]);
  });
});
