import { stat } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { exitCodes, QvacError } from '../errors.ts';
import { readFileIfAny } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { ModelDetails } from '../model/store.ts';
import type { Assessment, Evidence } from '../proofs/checks.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { plural, shortId, shortPeer } from '../terminal/format.ts';
import type { Output, Style } from '../terminal/output.ts';
import { startProgress } from '../terminal/progress.ts';
import type { ReceiptSummary } from '../terminal/receipt-summary.ts';
import { explainFaults } from '../terminal/trust-line.ts';
import { withAudit } from './auditing.ts';
import { defineCommand, oneOf, option } from './definition.ts';
import { openModelStore, withModelProgress } from './models.ts';
import { findReceipt } from './receipts.ts';

/** A receipt cannot sensibly be bigger. */
const mostReceiptBytes = 64 << 20;
/** The biggest batch that is set up because a receipt says so. */
const mostBatch = 512;
const leastContext = 512;

type Depth = 'sampling' | 'full';

/** The receipt that `name` means: a file, or the beginning of an id. */
async function loadReceipt(config: Config, name: string): Promise<Receipt> {
  const size = await stat(name).then((facts) => (facts.isFile() ? facts.size : null), () => null);
  if (size === null) {
    if (name.includes('/') || name.endsWith('.json')) throw new QvacError('E_NOT_FOUND', `there is no file ${name}`, { hint: 'qvac receipts ls' });
    return (await findReceipt(config.home, name)).receipt;
  }
  if (size > mostReceiptBytes) throw new QvacError('E_MALFORMED_RECEIPT', `${name} is no receipt (${size} bytes)`);
  const { readReceipt } = await import('../node/receipt-store.ts');
  return readReceipt((await readFileIfAny(name)) ?? new Uint8Array(), name);
}

/** The receipt's model file: the one named, which must be it, else the one in this home, if any. */
async function findModel(config: Config, logger: Logger, output: Output, summary: ReceiptSummary, named: string | null, signal: AbortSignal): Promise<ModelDetails | null> {
  const store = await openModelStore(config, logger);
  const model = await withModelProgress(output, named ?? 'the model file', (onProgress) => store.show(named ?? summary.model, { onProgress, signal }));
  if (named === null) return model;
  if (model === null) throw new QvacError('E_NO_MODEL', `${named} is not here`, { hint: 'qvac models ls' });
  if (model.id !== summary.model) throw new QvacError('E_NO_MODEL', `the receipt is about another model than ${named} (SHA-256 ${shortId(summary.model)}, not ${shortId(model.id)})`, { hint: `it needs the file with SHA-256 ${summary.model}` });
  return model;
}

/** What the model shows about the receipt. A numeric fault is recomputed before it is told (protocol section 5). */
async function checkWithModel(config: Config, logger: Logger, receipt: Receipt, model: ModelDetails, depth: Depth, signal: AbortSignal): Promise<Assessment> {
  const [{ openEngine, openTokenizer }, { gatherEvidence }, { loadCalibration }, { assess }] = await Promise.all([
    import('../model/llama.ts'),
    import('../model/verify.ts'),
    import('../model/calibrations.ts'),
    import('../proofs/checks.ts'),
  ]);
  const needed = Math.max(leastContext, receipt.promptTokens.length + receipt.tokens.length);
  const init = { modelPath: model.path, modelId: model.id, name: model.name, context: Math.min(needed, model.context ?? needed) };
  if (depth === 'sampling') {
    const tokenizer = await openTokenizer(init, { signal, logger });
    try {
      return assess(receipt, await gatherEvidence({ tokenizer }, receipt, { signal }));
    } finally {
      await tokenizer.dispose();
    }
  }
  const { threads, gpu, batch } = config.settings;
  const engine = await openEngine({ ...init, threads: threads ?? undefined, gpu, batch: Math.max(batch, Math.min(receipt.exec?.batch ?? batch, mostBatch)), cacheDir: config.home.cache }, { signal, logger });
  try {
    const calibration = await loadCalibration(model.id, logger);
    const gather = (): Promise<Evidence> => gatherEvidence({ engine, calibration }, receipt, { signal });
    const first = assess(receipt, await gather());
    if (!isNumericFail(first)) return first;
    const second = assess(receipt, await gather());
    return isNumericFail(second) ? second : { ...second, result: 'inconclusive', faults: [] };
  } finally {
    await engine.dispose();
  }
}

function isNumericFail({ faults }: Assessment): boolean {
  return faults.some((fault) => fault === 'exact-mismatch' || fault === 'distribution-far' || fault === 'draws-far');
}

const marks = { pass: ['✓', 'green'], fail: ['✗', 'red'], skipped: ['-', 'dim'], inconclusive: ['?', 'yellow'] } as const satisfies Record<string, readonly [string, Style]>;

function lines(assessment: Assessment, summary: ReceiptSummary, output: Output): readonly string[] {
  const { checks, result, tier, faults } = assessment;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const recomputed = tier === 'exact' || tier === 'statistical';
  const [mark, style] = marks[result];
  const words = result === 'fail' ? `failed ${tier}: ${faults.join(', ')}` : result === 'pass' && recomputed ? `verified ${tier}` : `checked: ${tier}${result === 'pass' ? '' : ', inconclusive'}`;
  return [
    ...checks.map((check) => `${output.style(marks[check.result][1], marks[check.result][0], 'stdout')} ${check.name.padEnd(width)}  ${check.detail}`),
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
    model: option('-m, --model <file>', 'recompute with this model: a GGUF file or a name of "qvac models ls"', (text) => text),
    auditor: option('--auditor <peer>', 'ask this router to recompute it: peer id or address; it sees the prompt', (text) => text),
    verify: option('--verify <how>', 'sampling: without recomputing; full: recompute or fail (default: full where the model is here)', oneOf('sampling', 'full')),
  },
  examples: [
    { line: 'qvac verify 9f3a', what: 'the receipt here whose id begins with 9f3a' },
    { line: 'qvac verify receipt.json --model smollm2.gguf', what: "somebody's receipt, recomputing every token" },
    { line: 'qvac verify 9f3a --auditor 12D3KooW…', what: 'a second opinion, of a router that holds the model' },
    { line: 'qvac verify 9f3a --json', what: 'each check, for programs' },
  ],
  async action({ args, options, config, output, logger, signal }) {
    const receipt = await loadReceipt(config, args[0] ?? '');
    const [{ assess }, { summarise }, { MalformedError }] = await Promise.all([import('../proofs/checks.ts'), import('../terminal/receipt-summary.ts'), import('../protocol/codec.ts')]);
    const progress = startProgress(output);
    try {
      const summary = summarise(receipt);
      let assessment = assess(receipt, {});
      // An auditor is asked instead of this machine, unless both are named.
      const here = options.auditor === undefined || options.model !== undefined;
      const model = here ? await findModel(config, logger, output, summary, options.model ?? null, signal) : null;
      if (model !== null && assessment.result !== 'fail') {
        progress.step(`checking with ${model.name} ${model.quant} …`);
        assessment = await checkWithModel(config, logger, receipt, model, options.verify ?? 'full', signal);
      }
      if (options.auditor !== undefined && assessment.result !== 'fail') {
        progress.step('waiting for the auditor …');
        assessment = await withAudit({ config, logger, signal }, receipt, assessment, options.auditor);
      }
      progress.end();
      const { result, tier, faults } = assessment;
      const checks = assessment.checks.map(({ name, result: outcome, detail }) => ({ name, result: outcome, detail: outcome === 'fail' ? `${faults.join(', ')}: ${detail}` : detail }));
      output.result({ result, tier, checks }, lines({ ...assessment, checks }, summary, output));
      const full = result === 'pass' && (tier === 'exact' || tier === 'statistical');
      const demanded = options.verify === 'full' || (options.model !== undefined && options.verify === undefined);
      return result === 'fail' || (demanded && !full) ? exitCodes.verification : exitCodes.ok;
    } catch (error) {
      if (error instanceof MalformedError) throw new QvacError('E_MALFORMED_RECEIPT', `${args[0]} is no receipt (${error.message})`, { cause: error });
      throw error;
    } finally {
      progress.end();
    }
  },
});
