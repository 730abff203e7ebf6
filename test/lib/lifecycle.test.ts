import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { aborted, delay, raceSignal } from '../../src/lib/abort.ts';
import { createLifecycle } from '../../src/lib/lifecycle.ts';

function create() {
  const said: string[] = [];
  const exits: number[] = [];
  const clock = { now: 0 };
  const lifecycle = createLifecycle({
    say: (line) => said.push(line),
    exit: (code) => exits.push(code),
    graceMs: 1_000,
    now: () => clock.now,
  });
  return { said, exits, lifecycle, clock };
}

describe('lifecycle', () => {
  it('answers the first Ctrl-C at once and exits at the second', async () => {
    const { said, exits, lifecycle, clock } = create();
    assert.equal(lifecycle.exitCode, null);
    lifecycle.receive('SIGINT');
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /Ctrl-C again/);
    assert.equal((lifecycle.signal.reason as { code: string }).code, 'E_INTERRUPTED');
    await aborted(lifecycle.signal);
    assert.deepEqual([lifecycle.exitCode, exits], [130, []]);
    clock.now = 1_000;
    lifecycle.receive('SIGINT');
    assert.deepEqual(exits, [130]);
    lifecycle.done();
  });

  it('counts one Ctrl-C once, even if the parent process forwards it', () => {
    const { exits, lifecycle, clock } = create();
    lifecycle.receive('SIGINT');
    clock.now = 20;
    lifecycle.receive('SIGINT');
    assert.deepEqual(exits, []);
    lifecycle.done();
  });

  it('ends with 143 for SIGTERM', () => {
    const { exits, lifecycle } = create();
    lifecycle.receive('SIGTERM');
    lifecycle.receive('SIGINT');
    assert.deepEqual([lifecycle.exitCode, exits], [143, [143]]);
    lifecycle.done();
  });

  it('exits after the grace period, unless the program has ended', () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const late = create();
      late.lifecycle.receive('SIGINT');
      mock.timers.tick(1_000);
      assert.deepEqual(late.exits, [130]);
      const done = create();
      done.lifecycle.receive('SIGINT');
      done.lifecycle.done();
      mock.timers.tick(10_000);
      assert.deepEqual(done.exits, []);
    } finally {
      mock.timers.reset();
    }
  });
});

describe('abort', () => {
  it('ends a wait', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waits = [raceSignal(new Promise(() => undefined), controller.signal), delay(1_000_000, controller.signal)];
    controller.abort(reason);
    for (const wait of waits) await assert.rejects(wait, reason);
    await assert.rejects(delay(1, controller.signal), reason);
    await assert.rejects(raceSignal(Promise.resolve(1), controller.signal), reason);
    await aborted(controller.signal);
  });

  it('returns the outcome', async () => {
    const { signal } = new AbortController();
    assert.equal(await raceSignal(Promise.resolve(1), signal), 1);
    await assert.rejects(raceSignal(Promise.reject(new Error('no')), signal), /no/);
    assert.equal(await raceSignal(Promise.resolve(1), undefined), 1);
    await delay(1);
  });
});
