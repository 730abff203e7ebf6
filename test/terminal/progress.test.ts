import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOutput } from '../../src/terminal/output.ts';
import { startProgress } from '../../src/terminal/progress.ts';
import { MemorySink } from '../support/memory-sink.ts';

function create(terminal: boolean, quiet = false) {
  let time = 0;
  const stderr = new MemorySink(terminal);
  const output = createOutput({ stdout: new MemorySink(), stderr, quiet });
  const progress = startProgress(output, { now: () => time });
  return { stderr, progress, at: (milliseconds: number) => { time = milliseconds; } };
}

const state = { totalBytes: 120_000_000, bytesPerSecond: 10_000_000 };

describe('progress', () => {
  it('shows rate and time left on a terminal, and leaves nothing behind', () => {
    const { stderr, progress, at } = create(true);
    progress.bytes('fetching x', { ...state, doneBytes: 20_000_000, secondsLeft: 10 });
    progress.bytes('fetching x', { ...state, doneBytes: 20_000_001, secondsLeft: 10 });
    at(100);
    progress.bytes('fetching x', { ...state, doneBytes: 40_000_000, secondsLeft: 8 });
    assert.match(stderr.text, /fetching x █{8}░{16} 33 % · 40 MB of 120 MB · 10 MB\/s · 8\.0 s left$/);
    assert.equal(stderr.text.split('\r').length, 2);
    progress.end();
    progress.end();
    assert.ok(stderr.text.endsWith('\r\u001b[2K'));
    progress.step('late');
    assert.ok(!stderr.text.includes('late'));
  });

  it('says a line now and then off-terminal, without control characters', () => {
    const { stderr, progress, at } = create(false);
    for (let second = 0; second <= 25; second++) {
      at(second * 1_000);
      progress.bytes('fetching x', { doneBytes: second * 1_000_000, totalBytes: null, bytesPerSecond: null, secondsLeft: null });
    }
    progress.end();
    assert.deepEqual(stderr.lines, ['fetching x 0 B', 'fetching x 10 MB', 'fetching x 20 MB']);
  });

  it('says nothing with -q', () => {
    const { stderr, progress } = create(true, true);
    progress.step('checking');
    progress.end();
    assert.equal(stderr.text, '');
  });
});
