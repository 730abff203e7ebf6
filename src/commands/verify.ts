import { exitCodes } from '../errors.ts';
import { toHex } from '../lib/bytes.ts';
import type { Assessment } from '../proofs/checks.ts';
import type { VerifiedAnswer } from '../sdk/verify-receipt.ts';
import { plural, shortId } from '../terminal/format.ts';
import type { Output, Style } from '../terminal/output.ts';
import { startProgress } from '../terminal/progress.ts';
import type { ReceiptSummary } from '../terminal/receipt-summary.ts';
import { explainFaults, providersWords } from '../terminal/trust-line.ts';
import { anyText, defineCommand, oneOf, option } from './parts/definition.ts';

const marks = {
  pass: ['✓', 'green'],
  fail: ['✗', 'red'],
  skipped: ['-', 'dim'],
  inconclusive: ['?', 'yellow'],
} as const satisfies Record<string, readonly [string, Style]>;

function lines(answer: VerifiedAnswer, words: string, summary: ReceiptSummary, output: Output): readonly string[] {
  const { checks, result, tier, faults, calibration, earlier, atFault } = answer;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const [mark, style] = marks[result];
  const facts = [
    summary.vectors === null ? plural(summary.start + summary.tokens, 'token') : plural(summary.vectors, 'vector'),
    providersWords({ provider: summary.provider, earlier: whoBefore(summary, earlier) }),
    `model ${shortId(summary.model)}`,
    output.style(style, words, 'stdout'),
    // Bit for bit there is nothing to be limited.
    ...(calibration === null || tier !== 'statistical' ? [] : [`limits ${toHex(calibration).slice(0, 8)}`]),
    `receipt ${shortId(summary.id)}`,
  ];
  return [
    ...checks.map((check) => {
      const [checkMark, checkStyle] = marks[check.result];
      return `${output.style(checkStyle, checkMark, 'stdout')} ${check.name.padEnd(width)}  ${check.detail}`;
    }),
    ...explainFaults(faults, atFault ?? summary.provider),
    `${output.style(style, mark, 'stdout')} ${facts.join(' · ')}`,
  ];
}

/** The providers before the last, with an unknown one for tokens without a receipt. */
function whoBefore(
  { start }: ReceiptSummary,
  earlier: VerifiedAnswer['earlier'],
): readonly { readonly provider: string; readonly tokens: number }[] {
  const unknown = earlier.reduce((left, { tokens }) => left - tokens, start);
  return unknown === 0 ? earlier : [{ provider: 'unknown', tokens: unknown }, ...earlier];
}

export const command = defineCommand({
  description: [
    'Check a receipt offline: signatures, opened steps, draws and length from the receipt alone;',
    'prompt, text and every token with the model file, if it is here.',
    'Without it, the numbers of the referees that the answer had, if their receipts are here or named.',
    'The exit code is 6 if a check fails, or if --verify full or --model is given and the full check is impossible or',
    'inconclusive. Of an answer that several providers wrote, give the last receipt: it leads to the others.',
  ].join(' '),
  arguments: [
    { name: '<receipt>', description: 'receipt file, or receipt id or its beginning' },
    { name: '[others...]', description: 'receipts of its earlier parts or score jobs that are not kept here' },
  ],
  settings: ['threads', 'gpu', 'batch', 'modelsDir'],
  options: {
    model: option('-m, --model <file>', 'recompute with this model: GGUF file, or name here', anyText),
    auditor: option('--auditor <peer>', 'let this router recompute: peer id or address; it sees the prompt', anyText),
    verify: option(
      '--verify <how>',
      'sampling, or full: recompute or fail (default: full with the model)',
      oneOf('sampling', 'full'),
    ),
  },
  examples: [
    { line: 'qvac verify 9f3a', what: 'check the receipt whose id begins with 9f3a' },
    { line: 'qvac verify receipt.json --model smollm2.gguf', what: 'check a receipt file, and recompute every token' },
    { line: 'qvac verify 9f3a 77c0 e1d2', what: 'compare it once more with the numbers of these referees' },
    { line: 'qvac verify 9f3a --auditor 12D3KooW…', what: 'get a second opinion from a router with the model' },
    { line: 'qvac verify 9f3a --json', what: 'print each check as JSON' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const [
      { loadReceipt, verifyAnswer },
      { modelProgress },
      { summarise, resultWords },
      { MalformedError },
      { notAReceipt },
    ] = await Promise.all([
      import('../sdk/verify-receipt.ts'),
      import('./parts/model-progress.ts'),
      import('../terminal/receipt-summary.ts'),
      import('../protocol/codec.ts'),
      import('../node/home/receipt-store.ts'),
    ]);
    const receipt = await loadReceipt(config.home, name);
    const given = await Promise.all(args.slice(1).map((each) => loadReceipt(config.home, each)));
    const progress = startProgress(output);
    try {
      const summary = summarise(receipt);
      const assessment = await verifyAnswer(
        {
          config,
          logger,
          progress: modelProgress(output),
          observer: {
            checking: (model) => progress.step(`checking with ${model.name} ${model.quant} …`),
            auditing: () => progress.step('waiting for the auditor …'),
          },
        },
        {
          receipt,
          given,
          modelId: summary.model,
          model: options.model,
          auditor: options.auditor,
          depth: options.verify,
        },
        { signal },
      );
      progress.end();
      const { result, tier, faults, calibration } = assessment;
      const checks = assessment.checks.map(({ name: check, result: outcome, detail }) => ({
        name: check,
        result: outcome,
        detail: outcome === 'fail' ? `${faults.join(', ')}: ${detail}` : detail,
      }));
      output.result(
        {
          result,
          tier,
          checks,
          calibration: calibration === null ? null : toHex(calibration),
          earlier: assessment.earlier.map(({ id, provider, tokens }) => ({ id, provider, tokens })),
          atFault: assessment.atFault,
        },
        lines({ ...assessment, checks }, resultWords(assessment, summary.vectors), summary, output),
      );
      const code = exitCodeOf(assessment, options);
      if (code !== exitCodes.ok && result !== 'fail' && tier !== 'exact' && tier !== 'statistical') {
        const needed = `it needs the model file with SHA-256 ${summary.model}`;
        output.warn(`the full check could not be made: ${needed}; see qvac models ls --all`);
      }
      return code;
    } catch (error) {
      throw error instanceof MalformedError ? notAReceipt(name, error) : error;
    } finally {
      progress.end();
    }
  },
});

interface Demands {
  readonly model: string | undefined;
  readonly verify: 'sampling' | 'full' | undefined;
}

/** A full check that was demanded, also by naming a model for it, must have been made. */
function exitCodeOf({ result, tier }: Assessment, { model, verify }: Demands): number {
  const full = result === 'pass' && (tier === 'exact' || tier === 'statistical');
  const demanded = verify === 'full' || (model !== undefined && verify === undefined);
  return result === 'fail' || (demanded && !full) ? exitCodes.verification : exitCodes.ok;
}
