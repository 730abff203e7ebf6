import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { defaultLimits } from '../../../src/proofs/calibration.ts';
import type { CaseName } from '../../../src/sdk/bench/answers/tasks.ts';
import { reportOf } from '../../../src/sdk/bench/figures/report.ts';
import { type JournalEntry, openJournal, type Record } from '../../../src/sdk/bench/journal.ts';

const dear = { id: 'a'.repeat(64), name: 'dear', quant: 'q8_0' };
const classes = ['one', 'two', 'three'].map((execClass) => ({
  execClass,
  kernels: execClass,
  engine: 'llama.cpp',
  sameBits: ['prefill'],
}));

function recordOf(name: CaseName, verifier: number, isFar: boolean): Record {
  const steps = (value: number): number[] => Array.from({ length: 64 }, () => value);
  const flags = '1'.repeat(64);
  const base = { name, verifier, drawn: flags, redrawn: flags, same: '0'.repeat(64), listed: flags };
  return { ...base, tv: steps(isFar ? 900_000 : 0), square: steps(isFar ? 9_000_000 : 0), miss: steps(0) };
}

/** An answer of class 0 in the half that figures are of, as classes 1 and 2 found it. */
function entryOf(name: 'honest' | 'cheaper', at: number, far: readonly [boolean, boolean]): JournalEntry {
  const records = far.map((isFar, other) => recordOf(name, other + 1, isFar));
  return { task: name, number: 8 + (at % 8) + 16 * Math.floor(at / 8), temperature: 70, provider: 0, records };
}

describe('the figures of an audit', () => {
  it('count answers, which several classes recomputed, not comparisons', () => {
    const entries = Array.from({ length: 20 }, (_, at) => [
      entryOf('honest', at, [false, at === 0]),
      entryOf('cheaper', at, [true, at > 0]),
    ]).flat();
    const { cases } = reportOf({ dear, cheap: null, classes, entries, table: defaultLimits, cost: [] });
    const rates = cases.map(({ name, statistical, schemes }) => {
      const { flagged, answers, lower, upper } = statistical.find(
        ({ check }) => check.length === 64 && check.count === 16,
      )!.table;
      return [name, flagged, answers, lower.toFixed(3), upper.toFixed(3), schemes.hash.answers];
    });
    // Clopper and Pearson, one-sided, for 1 and 19 of 20.
    assert.deepEqual(rates, [
      ['honest', 1, 20, '0.003', '0.216', 20],
      ['cheaper', 19, 20, '0.784', '0.997', 20],
    ]);
  });

  it('count a task once that two runs wrote into one journal', async (context) => {
    const dir = await mkdtemp(join(tmpdir(), 'qvac-'));
    context.after(() => rm(dir, { recursive: true }));
    const path = join(dir, 'journal.jsonl');
    const head = { version: 1, dear, cheap: null, labs: classes } as const;
    const runs = [await openJournal(path, head), await openJournal(path, head)];
    for (const journal of runs) await journal.add(entryOf('honest', 0, [false, false]));
    const { entries } = await openJournal(path, head);
    assert.equal(entries.length, 1);
  });
});
