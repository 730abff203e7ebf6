import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import type { AuditSize } from '../../sdk/bench/plan.ts';
import { startProgress } from '../../terminal/progress.ts';
import { anyText, defineSubcommand, flag, option, wholeNumber } from '../parts/definition.ts';

const defaultModel = 'smollm2-135m';
const quick: AuditSize = { honest: 24, cheats: 6, lengths: [64] };
const usual = { honest: 320, lengths: [128, 64] } as const;
/** Honest answers for each of a kind of cheat. */
const honestPerCheat = 6;

export const audit = defineSubcommand({
  summary: 'measure which cheats the checks catch, and who is accused',
  description: [
    'Make honest answers and cheats of a model, check them as a verifier would, and show what is caught,',
    'what is missed, and how often an honest node is accused. Writes report.json, report.html and a journal;',
    'a run that was stopped goes on where it was. With --calibrate the limits fitted to the honest answers are used',
    'from then on.',
  ].join(' '),
  arguments: [{ name: '[model]', description: `the model that is paid for (default: ${defaultModel})` }],
  settings: ['threads', 'gpu', 'modelsDir'],
  options: {
    cheap: option('--cheap <model>', 'what cheats run (default: a coarser quantisation, made here)', anyText),
    quick: flag('--quick', 'few and short answers: under five minutes on two cores'),
    answers: option('--answers <n>', `honest answers (default: ${usual.honest})`, wholeNumber(2, 1_000_000)),
    cheats: option('--cheats <n>', 'answers of each kind of cheat (default: a sixth)', wholeNumber(1, 1_000_000)),
    only: option('--only <kinds>', 'only these kinds of providers: honest,cheaper', anyText),
    classes: option('--classes <list>', 'CPU builds to compute with, /tokens per call: native,haswell', anyText),
    minutes: option('--minutes <n>', 'begin nothing new after this time', wholeNumber(1, 100_000)),
    out: option('--out <dir>', 'folder of report and journal (default: in the home)', anyText),
    calibrate: flag('--calibrate', 'use the fitted limits from now on'),
  },
  examples: [
    { line: 'qvac bench audit --quick', what: 'measure a small model in five minutes' },
    { line: 'qvac bench audit qwen3-4b/q8_0 --cheap qwen3-4b', what: 'compare two quantisations' },
    { line: 'qvac bench audit --answers 3000 --calibrate', what: 'fit limits to this model, in some hours' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const [
      { runAudit },
      { classesOf, tasksOf },
      { startLab },
      { fetchModel, openModelStore },
      { modelProgress },
      { reportLines },
    ] = await Promise.all([
      import('../../sdk/bench/audit.ts'),
      import('../../sdk/bench/choices.ts'),
      import('../../sdk/bench/labs/start-lab.ts'),
      import('../../sdk/models.ts'),
      import('../parts/model-progress.ts'),
      import('./report-lines.ts'),
    ]);
    const script = process.argv[1];
    if (script === undefined) throw new QvacError('E_BUG', 'this process was started without a script');
    const tasks = tasksOf(options.only);
    const classes = await classesOf(options.classes);
    const store = openModelStore({ config, logger });
    const find = (name: string) => fetchModel(store, name, modelProgress(output), { signal });
    const dear = await find(args[0] ?? defaultModel);
    const cheap = options.cheap === undefined ? null : await find(options.cheap);
    const size = sizeOf(options);
    const parts = ['audit', ...[dear.id, ...(cheap === null ? [] : [cheap.id])].map((id) => id.slice(0, 12))];
    const name = [...parts, ...(options.quick ? ['quick'] : [])].join('-');
    const progress = startProgress(output);
    try {
      const { report, files } = await runAudit(
        {
          config,
          startLab: (build, init) => startLab(script, build, join(config.home.cache, 'cpu-builds'), init),
          observer: {
            preparing: () => progress.step('making the models of the cheats …'),
            measuringCost: () => progress.step('measuring the cost of verification …'),
            answered: (done, all) => progress.step(`${done} of ${all} answers and cheats`),
          },
        },
        {
          dear,
          cheap,
          size,
          tasks,
          classes,
          out: options.out ?? join(config.home.root, 'bench', name),
          limitMs: options.minutes === undefined ? undefined : options.minutes * 60_000,
          calibrate: options.calibrate,
        },
        { signal },
      );
      progress.end();
      output.result({ ...report, files }, reportLines(report, files));
    } finally {
      progress.end();
    }
  },
});

interface SizeOptions {
  readonly quick: boolean;
  readonly answers: number | undefined;
  readonly cheats: number | undefined;
}

function sizeOf({ quick: isQuick, answers, cheats }: SizeOptions): AuditSize {
  if (isQuick) return { ...quick, honest: answers ?? quick.honest, cheats: cheats ?? quick.cheats };
  const honest = answers ?? usual.honest;
  return { honest, cheats: cheats ?? Math.max(1, Math.round(honest / honestPerCheat)), lengths: usual.lengths };
}
