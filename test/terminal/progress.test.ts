import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOutput } from '../../src/terminal/output.ts';
import { startProgress } from '../../src/terminal/progress.ts';
import { MemorySink } from './sinks.ts';

function create(terminal: boolean, quiet = false) {
  let time = 0;
  const stderr = new MemorySink(terminal);
  const output = createOutput({ stdout: new MemorySink(), stderr, quiet });
  const progress = startProgress(output, 'fetching x', { now: () => time });
  return { stderr, progress, at: (milliseconds: number) => { time = milliseconds; } };
}

describe('progress', () => {
  it('shows rate and time left on a terminal, and leaves nothing behind', () => {
    const { stderr, progress, at } = create(true);
    progress.bytes(20_000_000, 120_000_000);
    at(2_000);
    progress.bytes(40_000_000, 120_000_000);
    assert.match(stderr.text, /fetching x █{8}░{16} 33 % · 40 MB of 120 MB · 10 MB\/s · 8\.0 s left$/);
    progress.end('fetched x');
    progress.end('fetched x');
    assert.ok(stderr.text.endsWith('\r\u001b[2Kfetched x\n'));
  });

  it('says a line now and then off-terminal, without control characters', () => {
    const { stderr, progress, at } = create(false);
    for (let second = 0; second <= 25; second++) {
      at(second * 1_000);
      progress.bytes(second * 1_000_000, 50_000_000);
    }
    progress.end();
    assert.equal(stderr.lines.length, 3);
    assert.doesNotMatch(stderr.text, /[\r\u001b█]/);
  });

  it('says nothing with -q', () => {
    const { stderr, progress } = create(true, true);
    progress.step('checking');
    progress.end('done');
    assert.equal(stderr.text, '');
  });
});
