import { exitCodes, QvacError } from '../errors.ts';
import type { Assessment } from '../proofs/checks.ts';
import { plural, shortId, shortPeer } from '../terminal/format.ts';
import type { Output, Style } from '../terminal/output.ts';
import type { ReceiptSummary } from '../terminal/receipt-summary.ts';
import { explainFaults } from '../terminal/trust-line.ts';
import { anyText, defineCommand, oneOf, option } from './parts/definition.ts';
import { checkReceipt, loadReceipt, type VerifyOptions } from './parts/verifying.ts';

const marks = {
  pass: ['✓', 'green'],
  fail: ['✗', 'red'],
  skipped: ['-', 'dim'],
  inconclusive: ['?', 'yellow'],
} as const satisfies Record<string, readonly [string, Style]>;

function lines(assessment: Assessment, words: string, summary: ReceiptSummary, output: Output): readonly string[] {
  const { checks, result, faults } = assessment;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const [mark, style] = marks[result];
  return [
    ...checks.map(
      (check) =>
        `${output.style(marks[check.result][1], marks[check.result][0], 'stdout')} ${check.name.padEnd(width)}  ${check.detail}`,
    ),
    ...explainFaults(faults, summary.provider),
    `${output.style(style, mark, 'stdout')} ${plural(summary.tokens, 'token')} · ${shortPeer(summary.provider)} · model ${shortId(summary.model)} · ${output.style(style, words, 'stdout')} · receipt ${shortId(summary.id)}`,
  ];
}

export const command = defineCommand({
  description:
    'Checks a receipt anew, offline: signatures, opened steps, draws and length by itself; prompt, text and every token where the model file is at hand. Exit code 0 unless a check fails (6), or the full check was asked for, with --verify full or --model, and could not be made or was inconclusive (6). With --json: {result, tier, checks: [{name, result, detail}]}.',
  arguments: [{ name: '<receipt>', description: 'a file, or an id of "qvac receipts ls" or the beginning of it' }],
  settings: ['threads', 'gpu', 'batch', 'modelsDir'],
  options: {
    model: option(
      '-m, --model <file>',
      'recompute with this model: a GGUF file or a name of "qvac models ls"',
      anyText,
    ),
    auditor: option(
      '--auditor <peer>',
      'ask this router to recompute it: peer id or address; it sees the prompt',
      anyText,
    ),
    verify: option(
      '--verify <how>',
      'sampling: without recomputing; full: recompute or fail (default: full where the model is here)',
      oneOf('sampling', 'full'),
    ),
  },
  examples: [
    { line: 'qvac verify 9f3a', what: 'the receipt here whose id begins with 9f3a' },
    { line: 'qvac verify receipt.json --model smollm2.gguf', what: "somebody's receipt, recomputing every token" },
    { line: 'qvac verify 9f3a --auditor 12D3KooW…', what: 'a second opinion, of a router that holds the model' },
    { line: 'qvac verify 9f3a --json', what: 'each check, for programs' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const receipt = await loadReceipt(config, name);
    const [{ summarise, resultWords }, { MalformedError }] = await Promise.all([
      import('../terminal/receipt-summary.ts'),
      import('../protocol/codec.ts'),
    ]);
    try {
      const summary = summarise(receipt);
      const assessment = await checkReceipt({ config, output, logger, signal }, receipt, summary.model, options);
      const { result, tier, faults } = assessment;
      const checks = assessment.checks.map(({ name: check, result: outcome, detail }) => ({
        name: check,
        result: outcome,
        detail: outcome === 'fail' ? `${faults.join(', ')}: ${detail}` : detail,
      }));
      output.result(
        { result, tier, checks },
        lines({ ...assessment, checks }, resultWords(assessment), summary, output),
      );
      const code = exitCodeOf(assessment, options);
      if (code !== exitCodes.ok && result !== 'fail' && tier !== 'exact' && tier !== 'statistical') {
        output.warn(
          `the full check could not be made: it needs the model file with SHA-256 ${summary.model}; qvac models ls --all lists what can be fetched`,
        );
      }
      return code;
    } catch (error) {
      if (error instanceof MalformedError)
        throw new QvacError('E_MALFORMED_RECEIPT', `${name} is no receipt (${error.message})`, { cause: error });
      throw error;
    }
  },
});

/** Whoever asks for the full check, or names a model for it, wants to know where it was not made. */
function exitCodeOf({ result, tier }: Assessment, { model, verify }: VerifyOptions): number {
  const full = result === 'pass' && (tier === 'exact' || tier === 'statistical');
  const demanded = verify === 'full' || (model !== undefined && verify === undefined);
  return result === 'fail' || (demanded && !full) ? exitCodes.verification : exitCodes.ok;
}
