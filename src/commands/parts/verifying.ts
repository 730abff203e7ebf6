import { stat } from 'node:fs/promises';
import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import { readFileIfAny } from '../../lib/files.ts';
import type { ModelDetails } from '../../model/store.ts';
import type { Assessment, Evidence } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { shortId } from '../../terminal/format.ts';
import { type Progress, startProgress } from '../../terminal/progress.ts';
import { openModelStore, withModelProgress } from '../models.ts';
import { findReceipt } from '../receipts.ts';
import { withAudit } from './auditing.ts';
import type { CommandContext } from './definition.ts';

/** A receipt cannot sensibly be bigger. */
const maxReceiptBytes = 64 << 20;
/** The biggest batch that is set up because a receipt says so. */
const maxBatch = 512;
const minContext = 512;

type Context = Pick<CommandContext, 'config' | 'output' | 'logger' | 'signal'>;

/** The receipt that `name` means: a file, or the beginning of an id. */
export async function loadReceipt(config: Config, name: string): Promise<Receipt> {
  const size = await stat(name).then(
    (facts) => (facts.isFile() ? facts.size : null),
    () => null,
  );
  if (size === null) {
    if (name.includes('/') || name.endsWith('.json'))
      throw new QvacError('E_NOT_FOUND', `there is no file ${name}`, { hint: 'qvac receipts ls' });
    return (await findReceipt(config.home, name)).receipt;
  }
  if (size > maxReceiptBytes) throw new QvacError('E_MALFORMED_RECEIPT', `${name} is no receipt (${size} bytes)`);
  const { readReceipt } = await import('../../node/home/receipt-store.ts');
  return readReceipt((await readFileIfAny(name)) ?? new Uint8Array(), name);
}

/** The receipt's model file: the one named, which must be it, else the one in this home, if any. */
async function findModel(
  { config, logger, output, signal }: Context,
  modelId: string,
  named: string | null,
): Promise<ModelDetails | null> {
  const store = await openModelStore(config, logger);
  const model = await withModelProgress(output, named ?? 'the model file', (onProgress) =>
    store.show(named ?? modelId, { onProgress, signal }),
  );
  if (named === null) return model;
  if (model === null) throw new QvacError('E_NO_MODEL', `${named} is not here`, { hint: 'qvac models ls' });
  if (model.id !== modelId)
    throw new QvacError(
      'E_NO_MODEL',
      `the receipt is about another model than ${named} (SHA-256 ${shortId(modelId)}, not ${shortId(model.id)})`,
      { hint: `it needs the file with SHA-256 ${modelId}` },
    );
  return model;
}

/** What the model shows about the receipt. A numeric fault is recomputed before it is told (protocol section 5). */
async function checkWithModel(
  { config, logger, signal }: Context,
  receipt: Receipt,
  model: ModelDetails,
  depth: 'sampling' | 'full',
  progress: Progress,
): Promise<Assessment> {
  const [
    { openEngine, openTokenizer },
    { gatherEvidence },
    { loadCalibration },
    { assess },
    { doubted, isNumericFail },
  ] = await Promise.all([
    import('../../model/llama.ts'),
    import('../../model/verify.ts'),
    import('../../model/calibrations.ts'),
    import('../../proofs/checks.ts'),
    import('../../node/verification/doubt.ts'),
  ]);
  const checking = `checking with ${model.name} ${model.quant} …`;
  progress.step(checking);
  const onLoad = (share: number): void =>
    progress.bytes(`loading ${model.name}`, {
      doneBytes: Math.round(share * model.bytes),
      totalBytes: model.bytes,
      bytesPerSecond: null,
      secondsLeft: null,
    });
  const needed = Math.max(minContext, receipt.promptTokens.length + receipt.tokens.length);
  const init = {
    modelPath: model.path,
    modelId: model.id,
    name: model.name,
    context: Math.min(needed, model.context ?? needed),
  };
  if (depth === 'sampling') {
    const tokenizer = await openTokenizer(init, { signal, logger });
    try {
      return assess(receipt, await gatherEvidence({ tokenizer }, receipt, { signal }));
    } finally {
      await tokenizer.dispose();
    }
  }
  const { threads, gpu, batch } = config.settings;
  const engine = await openEngine(
    {
      ...init,
      threads: threads ?? undefined,
      gpu,
      batch: Math.max(batch, Math.min(receipt.exec?.batch ?? batch, maxBatch)),
      cacheDir: config.home.cache,
    },
    { signal, logger, onLoad },
  );
  try {
    progress.step(checking);
    const calibration = await loadCalibration(model.id, logger);
    const gather = (): Promise<Evidence> => gatherEvidence({ engine, calibration }, receipt, { signal });
    const first = assess(receipt, await gather());
    if (!isNumericFail(first)) return first;
    const second = assess(receipt, await gather());
    return isNumericFail(second) ? second : doubted(first, 'not in a second one');
  } finally {
    await engine.dispose();
  }
}

/** With what a receipt is to be checked. */
export interface VerifyOptions {
  /** A file or a name; undefined: what this home has. */
  readonly model: string | undefined;
  /** Peer id or multiaddr of a router that is to recompute it. */
  readonly auditor: string | undefined;
  readonly verify: 'sampling' | 'full' | undefined;
}

/**
 * All checks of a receipt that the files here, and the auditor if one is named, allow.
 * @param modelId hex, as the receipt names it
 * @throws MalformedError where a message in the receipt is malformed
 */
export async function checkReceipt(
  context: Context,
  receipt: Receipt,
  modelId: string,
  options: VerifyOptions,
): Promise<Assessment> {
  const { assess } = await import('../../proofs/checks.ts');
  const progress = startProgress(context.output);
  try {
    let assessment = assess(receipt, {});
    // An auditor is asked instead of this machine, unless both are named.
    const here = options.auditor === undefined || options.model !== undefined;
    const model = here ? await findModel(context, modelId, options.model ?? null) : null;
    if (model !== null && assessment.result !== 'fail') {
      assessment = await checkWithModel(context, receipt, model, options.verify ?? 'full', progress);
    }
    if (options.auditor !== undefined && assessment.result !== 'fail') {
      progress.step('waiting for the auditor …');
      assessment = await withAudit(context, receipt, assessment, options.auditor);
    }
    return assessment;
  } finally {
    progress.end();
  }
}
