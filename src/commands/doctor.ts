import { exitCodes, QvacError } from '../errors.ts';
import { silentLogger } from '../lib/log.ts';
import type { Output, Style } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { type Progress, startProgress } from '../terminal/progress.ts';
import type { Finding } from './doctor/finding.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { type CommandContext, defineCommand, flag } from './parts/definition.ts';

const marks = { ok: ['✓', 'green'], warn: ['!', 'yellow'], fail: ['✗', 'red'] } as const satisfies Record<
  Finding['result'],
  readonly [string, Style]
>;

/** Runs one check after another and yields the findings of each. */
async function* diagnose(
  { config, options, output, logger, signal }: CommandContext<{ readonly offline: boolean }>,
  progress: Progress,
): AsyncGenerator<readonly Finding[]> {
  const [program, home, engine, network, { checkReach }, { checkClock }, { checkChain }] = await Promise.all([
    import('./doctor/program.ts'),
    import('./doctor/home.ts'),
    import('./doctor/engine.ts'),
    import('./doctor/network.ts'),
    import('./doctor/reach.ts'),
    import('./doctor/clock.ts'),
    import('./doctor/chain.ts'),
  ]);
  const { offline } = options;
  yield [program.checkNode(), await program.checkPath()];
  yield [await home.checkHome(config), await home.checkDisk(config), ...(await home.checkKeys(config))];
  yield [await engine.checkEngine(config)];
  yield await engine.checkModels(config, {
    signal,
    onProgress: (state) => progress.bytes('checking model files', state),
  });
  const own = await network.ownProcesses(config);
  yield [
    network.checkProcesses(own),
    ...(await network.checkPorts(config, own)),
    ...checkReach(config, await network.runningNodes(config, own)),
  ];
  const chain = await checkChain(config, { offline, signal });
  yield chain.findings;
  const peers = offline
    ? { findings: [], issued: [], expired: false }
    : await network.checkPeers(config, output.verbose ? logger : silentLogger, { signal });
  yield [
    ...peers.findings,
    checkClock({ now: Date.now(), issued: peers.issued, expired: peers.expired, endpoint: chain.clock }),
  ];
}

function line({ name, result, detail, fix }: Finding, output: Output): readonly string[] {
  const [mark, style] = marks[result];
  return [
    `${output.style(style, mark, 'stdout')} ${name.padEnd(12)}  ${printable(detail, 400)}`,
    ...(fix === null ? [] : [`  ${' '.repeat(12)}  → ${printable(fix, 400)}`]),
  ];
}

/** The worst result and the exit code of the first failure. */
function verdictOf(findings: readonly Finding[]): { readonly result: Finding['result']; readonly exitCode: number } {
  const failed = findings.find(({ result }) => result === 'fail');
  if (failed !== undefined)
    return { result: 'fail', exitCode: new QvacError(failed.code ?? 'E_BUG', failed.detail).exitCode };
  return { result: findings.some(({ result }) => result === 'warn') ? 'warn' : 'ok', exitCode: exitCodes.ok };
}

export const command = defineCommand({
  description: [
    'Diagnose this machine: Node version, other qvac programs on the PATH, home, disk, key files, engine and GPU,',
    'model files and their digests (each file is read in full), ports, reachability, chain, wallet and balance, peers,',
    'clock.',
    'Each line is ok, a warning or a failure, with a fix.',
    'The checks create no keys and no wallet, start no chain and spend nothing.',
    'The exit code is 0, or that of the first failure.',
  ].join(' '),
  settings: ['listen', 'http', 'gpu', 'modelsDir', 'model', ...chainSettings, 'maxPrice', 'priceIn', 'priceOut'],
  options: { offline: flag('--offline', 'skip peers, and chains on other machines') },
  examples: [
    { line: 'qvac doctor', what: 'check everything' },
    { line: 'qvac doctor --offline --json', what: 'check this machine only, and print JSON' },
  ],
  async action(context) {
    const { output } = context;
    const progress = startProgress(output);
    const findings: Finding[] = [];
    progress.step('checking …');
    for await (const found of diagnose(context, progress)) {
      findings.push(...found);
      if (!output.json) for (const finding of found) output.result(null, line(finding, output));
      progress.step('checking …');
    }
    progress.end();
    const { result, exitCode } = verdictOf(findings);
    if (output.json)
      output.result(
        { result, checks: findings.map(({ name, result: one, detail, fix }) => ({ name, result: one, detail, fix })) },
        [],
      );
    return exitCode;
  },
});
