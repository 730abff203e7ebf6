import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { resolveConfig } from '../../../src/config.ts';
import type { ModelId } from '../../../src/lib/types.ts';
import { loadCalibration } from '../../../src/model/calibrations.ts';
import type { StoredModel } from '../../../src/model/store.ts';
import { defaultLimits } from '../../../src/proofs/calibration.ts';
import type { TaskName } from '../../../src/sdk/bench/answers/tasks.ts';
import { type AuditInit, type AuditOutcome, runAudit } from '../../../src/sdk/bench/audit.ts';
import type { CaseFigures, Rate } from '../../../src/sdk/bench/figures/report.ts';
import { type JournalHead, openJournal } from '../../../src/sdk/bench/journal.ts';
import type { Lab } from '../../../src/sdk/bench/labs/lab.ts';
import { isFitted, planAudit } from '../../../src/sdk/bench/plan.ts';
import { scriptedLab, scriptedVariant } from '../../support/audit-lab.ts';

async function folder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-audit-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The scripted model as if it were a file: nothing opens it. */
function scriptedModel(): StoredModel {
  const { id } = scriptedVariant('dear', 'one').facts;
  return { id, name: 'scripted', quant: 'scripted', path: '/nowhere.gguf', bytes: 1, pinned: false };
}

const cheapModel: StoredModel = { ...scriptedModel(), id: 'c'.repeat(64) as ModelId, name: 'cheap' };
const tasks: readonly TaskName[] = ['honest', 'cheaper', 'nudged-10', 'prompt-cut', 'kv'];

/** Short enough for a test: three classes, a few answers of each kind. */
async function audit(
  dir: string,
  change: Partial<AuditInit> = {},
  startLab: (build: string | null) => Lab = (build) => scriptedLab(build ?? 'one'),
): Promise<AuditOutcome> {
  const config = await resolveConfig({ home: dir, environment: {} });
  return await runAudit(
    { config, startLab: async (build) => startLab(build) },
    {
      dear: scriptedModel(),
      cheap: cheapModel,
      size: { honest: 16, cheats: 4, lengths: [64] },
      tasks,
      classes: [
        { build: 'one', batch: null },
        { build: 'two', batch: null },
        { build: 'three', batch: null },
      ],
      out: join(dir, 'out'),
      calibrate: false,
      ...change,
    },
  );
}

describe('qvac bench audit', () => {
  it('flags cheats and no honest answer, and shows what other schemes accept', async (context) => {
    const dir = await folder(context);
    const { report, files } = await audit(dir);
    const of = (name: string): CaseFigures =>
      report.cases.find((figures) => figures.name === name) ?? assert.fail(name);
    assert.deepEqual(report.exact, { answers: 16, steps: 1024, mismatches: 0 });
    const at64 = (name: string): Rate =>
      of(name).statistical.find(({ check }) => check.length === 64 && check.count === 16)?.table ?? assert.fail();
    assert.deepEqual([of('honest').exact.flagged, at64('honest').flagged], [0, 0]);
    for (const name of ['cheaper', 'prefilled', 'nudged']) {
      assert.ok(at64(name).answers > 0 && at64(name).flagged === at64(name).answers, name);
      assert.equal(of(name).exact.rate, 1, name);
      assert.deepEqual([of(name).schemes.hash.rate, of(name).schemes.paths.rate], [0, 0], name);
    }
    // The prefill attack commits to the true logits: who compares these alone accepts it.
    assert.equal(of('prefilled').schemes.logits.flagged, 0);
    // What differs by less than machines do is seen in an equal class alone.
    assert.deepEqual([at64('kv').flagged, of('kv').exact.rate], [0, 1]);
    assert.deepEqual(JSON.parse(await readFile(files.report, 'utf8')), JSON.parse(JSON.stringify(report)));
    const page = await readFile(files.page, 'utf8');
    assert.match(page, /<svg /);
    assert.doesNotMatch(page, /<script|https?:|src=/);
  });

  it('goes on where it was stopped, and gives the same report as in one go', async (context) => {
    const [whole, parts] = [await folder(context), await folder(context)];
    const { report } = await audit(whole);
    await assert.rejects(
      audit(parts, {}, (build) => {
        const lab = scriptedLab(build ?? 'one');
        let left = 8;
        return {
          ...lab,
          answer: (...given) => (left-- > 0 ? lab.answer(...given) : Promise.reject(new Error('stopped'))),
        };
      }),
      /stopped/,
    );
    const journal = join(parts, 'out', 'journal.jsonl');
    const before = (await readFile(journal, 'utf8')).split('\n').length;
    assert.ok(before > 3);
    // As when the machine stops in the middle of a line.
    await appendFile(journal, '{"task":"honest","num');
    let computed = 0;
    const { report: again } = await audit(parts, {}, (build) => {
      const lab = scriptedLab(build ?? 'one');
      return { ...lab, answer: (task, job, options) => (computed++, lab.answer(task, job, options)) };
    });
    const cost = 4 * 3;
    assert.equal(computed, 16 + 4 * 4 - (before - 2) + cost);
    const sorted = ({ cases }: typeof report): unknown =>
      cases.map(({ name, statistical, exact }) => [name, statistical, exact]);
    assert.deepEqual(sorted(again), sorted(report));
  });

  it('writes a calibration of enough answers, which checks then use', async (context) => {
    const dir = await folder(context);
    await assert.rejects(audit(dir, { calibrate: true }), { code: 'E_USAGE' });
    const { files } = await audit(dir, {
      calibrate: true,
      size: { honest: 112, cheats: 1, lengths: [16] },
      tasks: ['honest'],
    });
    const calibration = await loadCalibration(scriptedModel().id, { dirs: [join(dir, 'calibration')] });
    assert.equal(files.calibration, join(dir, 'calibration', `${scriptedModel().id}.json`));
    assert.ok(calibration !== null && calibration.evidence.jobs === 56 && calibration.evidence.classes.length === 3);
    // Honest noise of 0.12 nats: tighter than the table, and not by more than the noise.
    const { rmsDq, meanMiss128 } = calibration.limits;
    assert.ok(rmsDq > 120_000 && rmsDq < defaultLimits.rmsDq);
    // No answer was so long.
    assert.equal(meanMiss128, defaultLimits.meanMiss128);
  });

  it('has classes without equal bits answer honestly, but not cheat, and says nothing exact of them', async (context) => {
    const dir = await folder(context);
    const cheating: string[] = [];
    const { report, files } = await audit(dir, {}, (build) => {
      const lab = scriptedLab(build ?? 'one');
      return {
        ...lab,
        answer(task, ...rest) {
          if (task !== 'honest') cheating.push(build ?? '');
          return lab.answer(task, ...rest);
        },
        facts: async (options) => ({
          ...(await lab.facts(options)),
          ...(build === 'two' ? { sameBits: ['alone'] } : {}),
        }),
      };
    });
    const journal = (await readFile(files.journal, 'utf8')).trim().split('\n').slice(1);
    const providers = journal.map((line) => JSON.parse(line) as { task: string; number: number; provider: number });
    assert.deepEqual(
      [...new Set(providers.filter(({ task }) => task === 'honest').map(({ provider }) => provider))].sort(),
      [0, 1, 2],
    );
    assert.deepEqual([...new Set(cheating)].sort(), ['one', 'three']);
    assert.equal(
      report.exact.answers,
      providers.filter(({ task, provider }) => task === 'honest' && provider !== 1).length,
    );
  });

  it('computes with a class once, though it is named twice', async (context) => {
    const dir = await folder(context);
    const twice = [null, 'one'].map((build) => ({ build, batch: null }));
    const { report } = await audit(dir, { classes: twice, size: { honest: 2, cheats: 1, lengths: [8] } });
    assert.equal(report.classes.length, 1);
  });
});

describe('the plan of an audit', () => {
  it('has every task in its proportion at any time', () => {
    const plan = planAudit({ honest: 60, cheats: 20, lengths: [128, 64] }, ['honest', 'cheaper']);
    assert.equal(plan.length, 80);
    for (const end of [20, 40, 60]) {
      const honest = plan.slice(0, end).filter(({ task }) => task === 'honest').length;
      assert.ok(Math.abs(honest - (end * 3) / 4) <= 2, `${honest} of ${end}`);
    }
  });

  it('gives both halves every length and temperature', () => {
    const jobs = planAudit({ honest: 64, cheats: 1, lengths: [128, 64] }, ['honest']).map(({ job }) => job);
    for (const half of [true, false]) {
      const kinds = jobs
        .filter(({ number }) => isFitted(number) === half)
        .map(({ maxTokens, weighing }) => `${maxTokens} ${weighing.temperature}`);
      assert.equal(kinds.length, 32);
      assert.ok(new Set(kinds).size >= 5);
    }
  });
});

describe('the journal of an audit', () => {
  const head: JournalHead = { version: 1, dear: { id: 'a', name: 'dear', quant: 'q8_0' }, cheap: null, labs: [] };

  it('is of one pair of models and machine', async (context) => {
    const path = join(await folder(context), 'journal.jsonl');
    await openJournal(path, head);
    await assert.rejects(openJournal(path, { ...head, dear: { ...head.dear, id: 'b' } }), { code: 'E_USAGE' });
  });

  it('is begun anew where its first line was cut off', async (context) => {
    const path = join(await folder(context), 'journal.jsonl');
    await writeFile(path, '{"version":1,"dea');
    const journal = await openJournal(path, head);
    await journal.add({ task: 'kv', number: 1, temperature: 70, provider: 0, records: [] });
    const again = await openJournal(path, head);
    assert.deepEqual([again.entries.length, again.has('kv', 1), again.has('kv', 2)], [1, true, false]);
  });
});
