import { stat } from 'node:fs/promises';
import type { Config, Home } from '../config.ts';
import { QvacError } from '../errors.ts';
import { readFileIfAny } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { ModelDetails } from '../model/store.ts';
import { gatherEvidence } from '../model/verify.ts';
import { readReceipt } from '../node/home/receipt-store.ts';
import { doubted, isNumericFail } from '../node/verification/doubt.ts';
import { type Assessment, assess, type Evidence } from '../proofs/checks.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { findReceipt } from './home.ts';
import { type ModelProgress, openModelStore } from './models.ts';

const maxReceiptBytes = 64 << 20;
/** Largest batch that is set up because a receipt asks for it, in tokens. */
const maxBatch = 512;
const minContext = 512;

/**
 * The receipt that `name` refers to: a file, or the beginning of an id.
 * @throws QvacError E_NOT_FOUND, E_USAGE for an ambiguous id, E_MALFORMED_RECEIPT
 */
export async function loadReceipt(home: Home, name: string): Promise<Receipt> {
  const bytes = await stat(name).then(
    (facts) => (facts.isFile() ? facts.size : null),
    () => null,
  );
  if (bytes === null) {
    if (name.includes('/') || name.endsWith('.json'))
      throw new QvacError('E_NOT_FOUND', `no such file: ${name}`, { hint: 'qvac receipts ls' });
    return (await findReceipt(home, name)).receipt;
  }
  if (bytes > maxReceiptBytes)
    throw new QvacError('E_MALFORMED_RECEIPT', `${name} is not a receipt (${bytes} bytes, at most ${maxReceiptBytes})`);
  return readReceipt((await readFileIfAny(name)) ?? new Uint8Array(), name);
}

export interface VerifyReceiptComponents {
  readonly config: Config;
  readonly logger: Logger;
  readonly progress: ModelProgress;
  readonly observer: VerifyReceiptObserver;
}

export interface VerifyReceiptObserver {
  /** The model is loaded and checks the receipt. */
  checking?(model: ModelDetails): void;
  auditing?(): void;
}

export interface VerifyReceiptInit {
  readonly receipt: Receipt;
  /** Hex id of the model that the receipt names. */
  readonly modelId: string;
  /** A file or a name. @default the file of `modelId` in this home, if any */
  readonly model?: string | undefined;
  /** Peer id or multiaddr of a router that re-executes the answer, instead of this machine unless `model` is given. */
  readonly auditor?: string | undefined;
  /** @default 'full' */
  readonly depth?: 'sampling' | 'full' | undefined;
}

/**
 * Runs every check on a receipt that the model files here, and the auditor if one is named, allow.
 * @throws MalformedError if a message in the receipt is malformed; QvacError E_NO_MODEL, E_MODEL, E_ENGINE; as of
 * `auditReceipt`
 */
export async function verifyReceipt(
  components: VerifyReceiptComponents,
  init: VerifyReceiptInit,
  options: AbortOptions = {},
): Promise<Assessment> {
  let assessment = assess(init.receipt, {});
  const here = init.auditor === undefined || init.model !== undefined;
  const model = here ? await findModel(components, init, options) : null;
  if (model !== null && assessment.result !== 'fail')
    assessment = await checkWithModel(components, init, model, options);
  if (init.auditor !== undefined && assessment.result !== 'fail') {
    const { withAudit } = await import('./audit.ts');
    components.observer.auditing?.();
    assessment = await withAudit(components, init.receipt, assessment, init.auditor, options);
  }
  return assessment;
}

/** The receipt's model file: the one named, which must match, else the one in this home, if any. */
async function findModel(
  { config, logger, progress }: VerifyReceiptComponents,
  { modelId, model: named }: VerifyReceiptInit,
  options: AbortOptions,
): Promise<ModelDetails | null> {
  const store = openModelStore({ config, logger });
  const model = await progress.fetching(named ?? 'the model file', (onProgress) =>
    store.show(named ?? modelId, { ...options, onProgress }),
  );
  if (named === undefined) return model;
  if (model === null)
    throw new QvacError('E_NO_MODEL', `no model file here is named ${named}`, { hint: 'qvac models ls' });
  if (model.id !== modelId)
    throw new QvacError(
      'E_NO_MODEL',
      `the receipt names another model than ${named}: SHA-256 ${modelId.slice(0, 12)}…, not ${model.id.slice(0, 12)}…`,
      { hint: `pass the file with SHA-256 ${modelId}` },
    );
  return model;
}

/** The checks that the model allows. A numeric fault is recomputed before it is reported (protocol section 5). */
async function checkWithModel(
  { config, logger, progress, observer }: VerifyReceiptComponents,
  { receipt, depth = 'full' }: VerifyReceiptInit,
  model: ModelDetails,
  { signal }: AbortOptions,
): Promise<Assessment> {
  const { openEngine, openTokenizer } = await import('../model/llama.ts');
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
      observer.checking?.(model);
      return assess(receipt, await gatherEvidence({ tokenizer }, receipt, { signal }));
    } finally {
      await tokenizer.dispose();
    }
  }
  const { loadCalibration } = await import('../model/calibrations.ts');
  const { threads, gpu, batch } = config.settings;
  const engine = await progress.loading(model, (onLoad) =>
    openEngine(
      {
        ...init,
        threads: threads ?? undefined,
        gpu,
        batch: Math.max(batch, Math.min(receipt.exec?.batch ?? batch, maxBatch)),
        cacheDir: config.home.cache,
      },
      { signal, logger, onLoad },
    ),
  );
  try {
    observer.checking?.(model);
    const calibration = await loadCalibration(model.id, { dirs: [config.home.calibration], logger });
    const gather = (): Promise<Evidence> => gatherEvidence({ engine, calibration }, receipt, { signal });
    const first = assess(receipt, await gather());
    if (!isNumericFail(first)) return first;
    const second = assess(receipt, await gather());
    return isNumericFail(second) ? second : doubted(first, 'not in a second one');
  } finally {
    await engine.dispose();
  }
}
