import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createOutput } from '../../src/terminal/output.ts';
import { startProgress } from '../../src/terminal/progress.ts';
import { MemorySink } from '../support/memory-sink.ts';

function create(terminal: boolean, quiet = false) {
  let time = 0;
  const stderr = new MemorySink(terminal);
  const output = createOutput({ stdout: new MemorySink(), stderr, quiet });
  const progress = startProgress(output, { now: () => time });
  const pass = (milliseconds: number): void => {
    time += milliseconds;
    mock.timers.tick(milliseconds);
  };
  return { stderr, progress, pass };
}

const state = { totalBytes: 120_000_000, bytesPerSecond: 10_000_000 };

describe('progress', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('shows rate and time left on a terminal, redraws at intervals, and leaves nothing behind', () => {
    const { stderr, progress, pass } = create(true);
    progress.bytes('fetching x', { ...state, doneBytes: 20_000_000, secondsLeft: 10 });
    progress.bytes('fetching x', { ...state, doneBytes: 30_000_000, secondsLeft: 9 });
    progress.bytes('fetching x', { ...state, doneBytes: 40_000_000, secondsLeft: 8 });
    pass(100);
    assert.match(stderr.text, /fetching x █{7}░{15} 33 % · 40 MB of 120 MB · 10 MB\/s · 8\.0 s left$/);
    assert.equal(stderr.text.split('\r').length, 2);
    progress.step('late');
    progress.end();
    progress.end();
    pass(1_000);
    progress.step('too late');
    assert.ok(stderr.text.endsWith('\r\u001b[2K'));
    assert.doesNotMatch(stderr.text, /late/);
  });

  it('prints a line at intervals off a terminal, without control characters', () => {
    const { stderr, progress, pass } = create(false);
    for (let second = 0; second <= 25; second++) {
      progress.bytes('fetching x', {
        doneBytes: second * 1_000_000,
        totalBytes: null,
        bytesPerSecond: null,
        secondsLeft: null,
      });
      pass(1_000);
    }
    progress.end();
    assert.deepEqual(stderr.lines, ['fetching x 0 B', 'fetching x 10 MB', 'fetching x 20 MB']);
  });

  it('prints nothing for quick work, and a line for slow work without progress', () => {
    const quick = create(false);
    quick.progress.step('checking');
    quick.pass(900);
    quick.progress.end();
    quick.pass(10_000);
    assert.equal(quick.stderr.text, '');
    const slow = create(false);
    slow.progress.step('checking');
    slow.pass(1_000);
    assert.deepEqual(slow.stderr.lines, ['checking']);
  });

  it('prints nothing with -q', () => {
    const { stderr, progress, pass } = create(true, true);
    progress.step('checking');
    pass(20_000);
    progress.end();
    assert.equal(stderr.text, '');
  });
});
