import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { byteSize, plural, rate, shortId, shortPeer, sol, table, timeSpan } from '../../src/terminal/format.ts';

describe('format', () => {
  it('shortens ids', () => {
    assert.equal(shortPeer('12D3KooWAbcdefgxB'), '12D3Koo…defgxB');
    assert.equal(shortPeer('short'), 'short');
    assert.equal(shortId('9f3a0000c1'), '9f3a…c1');
    assert.equal(shortId('9f3a'), '9f3a');
  });

  it('counts', () => {
    assert.deepEqual(
      [plural(0, 'token'), plural(1, 'token'), plural(1_234_567, 'token')],
      ['0 tokens', '1 token', '1,234,567 tokens'],
    );
    assert.deepEqual(
      [byteSize(0), byteSize(999), byteSize(1_000), byteSize(9_949), byteSize(105_454_432), byteSize(2_497_281_120)],
      ['0 B', '999 B', '1.0 kB', '9.9 kB', '105 MB', '2.5 GB'],
    );
    assert.deepEqual([rate(0.84), rate(9.94), rate(41.3), rate(1234)], ['0.8', '9.9', '41', '1,234']);
    assert.deepEqual(
      [timeSpan(0), timeSpan(420), timeSpan(59_400), timeSpan(200_000), timeSpan(7_500_000), timeSpan(400_000_000)],
      ['0.0 s', '0.4 s', '59 s', '3 min 20 s', '2 h 5 min', '4 d'],
    );
  });

  it('writes lamports as SOL without rounding', () => {
    assert.deepEqual(
      [sol(0), sol(1), sol(700), sol(1_000_000_000), sol(12_345_678_901n)],
      ['0 SOL', '0.000000001 SOL', '0.0000007 SOL', '1 SOL', '12.345678901 SOL'],
    );
  });

  it('aligns columns, and keeps foreign text inside its cell', () => {
    assert.deepEqual(
      table(
        ['A', 'LONG'],
        [
          ['x', '1'],
          ['yy\n', '2'],
        ],
      ),
      ['A    LONG', 'x    1', 'yy\ufffd  2'],
    );
  });
});
