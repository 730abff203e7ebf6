import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { writeFileAtomic } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { StoredModel } from '../../model/store.ts';
import { defaultLimits, serialiseCalibration } from '../../proofs/calibration.ts';
import { type TaskName, taskNames, variantsOf } from './answers/tasks.ts';
import { calibrationOf } from './calibrate.ts';
import { auditContext, auditSlots } from './constants.ts';
import { measureCost } from './cost.ts';
import { pageOf } from './figures/page.ts';
import { type AuditReport, reportOf } from './figures/report.ts';
import { type JournalHead, type ModelLabel, openJournal } from './journal.ts';
import type { Lab, LabFacts } from './labs/lab.ts';
import type { LabInit, ModelFile } from './labs/wire.ts';
import { type AuditSize, planAudit } from './plan.ts';
import { runPlan } from './run.ts';
import { makeVariants } from './variants.ts';

export interface AuditInit {
  readonly dear: StoredModel;
  /** The model that cheats run; null: one that is made of `dear`. */
  readonly cheap: StoredModel | null;
  readonly size: AuditSize;
  /** Only these kinds of providers. @default all that the models allow */
  readonly tasks?: readonly TaskName[] | undefined;
  readonly classes: readonly ClassChoice[];
  /** Folder of journal, report and page. */
  readonly out: string;
  /** No task begins after so long. @default never ends early */
  readonly limitMs?: number | undefined;
  /** Writes the calibration, too. */
  readonly calibrate: boolean;
}

/** An execution class to compute with. */
export interface ClassChoice {
  /** CPU build of the engine; null: the one that it chooses. */
  readonly build: string | null;
  /** Tokens per call; null: the usual ones. */
  readonly batch: number | null;
}

export interface AuditComponents {
  readonly config: Config;
  /** Starts what computes in one class. */
  readonly startLab: (build: string | null, init: LabInit) => Promise<Lab>;
  readonly observer?: AuditObserver | undefined;
}

export interface AuditObserver {
  preparing?(): void;
  measuringCost?(): void;
  answered?(done: number, all: number): void;
}

export interface AuditOutcome {
  readonly report: AuditReport;
  readonly files: {
    readonly report: string;
    readonly page: string;
    readonly journal: string;
    /** Null unless asked for. */
    readonly calibration: string | null;
  };
}

/**
 * Makes honest answers and cheats of a model, has every class recompute them, and writes what is caught and what is
 * not. A run that was stopped goes on with its journal.
 * @throws QvacError E_USAGE for another run's journal, E_ENGINE if a class cannot be computed here, E_HOME
 */
export async function runAudit(
  { config, startLab, observer = {} }: AuditComponents,
  init: AuditInit,
  { signal }: AbortOptions = {},
): Promise<AuditOutcome> {
  const { dear, cheap, size, out } = init;
  observer.preparing?.();
  const models = await makeVariants(dear, cheap, join(config.home.cache, 'bench'));
  const started: Lab[] = [];
  try {
    for (const choice of init.classes) started.push(await startLab(choice.build, labInit(config, models, choice)));
    const known = await distinct(started, { signal });
    const [labs, facts] = [known.map(({ lab }) => lab), known.map((each) => each.facts)];
    const head: JournalHead = { version: 1, dear: labelOf(dear), cheap: cheapLabel(cheap, models.cheap), labs: facts };
    const journal = await openJournal(join(out, 'journal.jsonl'), head);
    observer.measuringCost?.();
    const cost = await measureCost(labs, { signal });
    const end = init.limitMs === undefined ? Infinity : performance.now() + init.limitMs;
    await runPlan(
      { labs, journal, cheats: cheatsOf(facts) },
      {
        plan: planAudit(size, tasksFor(init.tasks ?? taskNames, models)),
        atOnce: auditSlots,
        onDone: observer.answered,
        isOver: () => performance.now() > end,
      },
      { signal },
    );
    const { entries } = journal;
    const report = reportOf({ ...head, classes: facts, entries, table: defaultLimits, cost });
    return { report, files: await writeAll(config, init, report, entries) };
  } finally {
    for (const lab of started) await lab.dispose();
  }
}

async function writeAll(
  config: Config,
  { out, calibrate }: AuditInit,
  report: AuditReport,
  entries: Parameters<typeof calibrationOf>[1],
): Promise<AuditOutcome['files']> {
  const files = {
    report: join(out, 'report.json'),
    page: join(out, 'report.html'),
    journal: join(out, 'journal.jsonl'),
  };
  await writeFileAtomic(files.report, `${JSON.stringify(report, null, 2)}\n`);
  await writeFileAtomic(files.page, pageOf(report));
  if (!calibrate) return { ...files, calibration: null };
  const calibration = join(config.home.calibration, `${report.dear.id}.json`);
  await writeFileAtomic(calibration, serialiseCalibration(calibrationOf(report, entries)));
  return { ...files, calibration };
}

function labInit(config: Config, models: LabInit['models'], { build, batch }: ClassChoice): LabInit {
  const { threads, gpu } = config.settings;
  return {
    batch,
    models,
    context: auditContext,
    slots: auditSlots,
    threads: threads ?? 1,
    gpu: build === null ? gpu : 'off',
    cacheDir: config.home.cache,
  };
}

/** Cheats run in the classes whose answers can be checked bit for bit; without one, in all. */
function cheatsOf(facts: readonly LabFacts[]): readonly number[] {
  const exact = facts.flatMap(({ sameBits }, at) => (sameBits.includes('prefill') ? [at] : []));
  return exact.length > 0 ? exact : [...facts.keys()];
}

function tasksFor(tasks: readonly TaskName[], models: LabInit['models']): readonly TaskName[] {
  return tasks.filter((task) => variantsOf[task].every((variant) => models[variant] !== undefined));
}

/** The labs without those whose class another one has: the engine's own choice may be a build that was named. */
async function distinct(labs: readonly Lab[], { signal }: AbortOptions): Promise<readonly Known[]> {
  const known: Known[] = [];
  for (const lab of labs) {
    const facts = await lab.facts({ signal });
    if (!known.some((other) => other.facts.execClass === facts.execClass)) known.push({ lab, facts });
  }
  return known;
}

interface Known {
  readonly lab: Lab;
  readonly facts: LabFacts;
}

function labelOf({ id, name, quant }: StoredModel): ModelLabel {
  return { id, name, quant };
}

function cheapLabel(cheap: StoredModel | null, file: ModelFile | undefined): ModelLabel | null {
  if (cheap !== null) return labelOf(cheap);
  return file === undefined ? null : { id: file.id, name: file.name, quant: 'made here' };
}
