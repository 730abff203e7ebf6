import { stat } from 'node:fs/promises';
import type { Config, Home } from '../config.ts';
import { QvacError } from '../errors.ts';
import { readFileIfAny } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import { shortPeer } from '../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../lib/types.ts';
import type { ModelDetails } from '../model/store.ts';
import { gatherEvidence } from '../model/verify.ts';
import { readReceipt } from '../node/home/receipt-store.ts';
import type { EarlierReceipts, ReceiptPart } from '../node/verification/answer-parts.ts';
import { doubted, isNumericFail, ownPart } from '../node/verification/doubt.ts';
import { verifyWhole } from '../node/verification/parts.ts';
import { isRecomputed } from '../node/verification/verification.ts';
import { type Assessment, assess, type CheckReport, type Evidence } from '../proofs/checks.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { peerIdOf } from '../proofs/signing.ts';
import { modes } from '../protocol/messages.ts';
import { decodeOffer } from '../protocol/validate.ts';
import { findEarlier, findReceipt } from './home.ts';
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

interface VerifyReceiptInit {
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

interface ScoredReceiptInit extends VerifyReceiptInit {
  /**
   * Receipts of referees' score jobs. @default those that the receipt's verdicts name and this home has, if no model
   * file here re-executes the answer
   */
  readonly scores?: readonly Receipt[] | undefined;
}

/** What is found of an answer that several providers wrote, by the receipt of its last part (protocol section 4.6). */
export interface VerifiedAnswer extends Assessment {
  /** The parts before the last whose receipts are here. */
  readonly earlier: readonly Pick<ReceiptPart, 'id' | 'provider' | 'tokens'>[];
  /** The provider whose part failed a check; null if none did. */
  readonly atFault: PeerIdString | null;
}

export interface VerifyAnswerInit extends VerifyReceiptInit {
  /** Receipts of earlier parts or score jobs that this home may not have. @default none */
  readonly given?: readonly Receipt[] | undefined;
}

/**
 * Runs every check on the receipt of an answer's last part, as `verifyReceipt`, and those without the model on the
 * receipts of the parts before it.
 * @throws as `verifyReceipt`
 */
export async function verifyAnswer(
  components: VerifyReceiptComponents,
  init: VerifyAnswerInit,
  options: AbortOptions = {},
): Promise<VerifiedAnswer> {
  const { receipt, given = [] } = init;
  const provider = peerIdOf(decodeOffer(receipt.offer.body).provider);
  const scores = given.filter(({ offer }) => decodeOffer(offer.body).mode === modes.score);
  const last = await verifyReceipt(components, { ...init, scores: scores.length === 0 ? undefined : scores }, options);
  const atFault = last.result === 'fail' ? provider : null;
  if (receipt.previous === null) return { ...last, earlier: [], atFault };
  const { parts, missing, missingTokens } = await findEarlier(components.config.home, receipt, given);
  const checked = parts.map((part) => ({ ...part, verification: assess(part.receipt, {}) }));
  const unknown = { provider, tokens: missingTokens, verification: null };
  const own = ownPart(last);
  const faultBefore = last.inContinuation ? (last.faults[0] ?? null) : null;
  const whole = verifyWhole([...(missing === null ? [] : [unknown]), ...checked], {
    provider,
    verification: own,
    faultBefore,
  });
  return {
    ...last,
    ...whole.verification,
    checks: [...last.checks, ...partChecks({ missing, missingTokens }), ...checked.map(partCheck)],
    earlier: parts,
    atFault: whole.atFault === provider ? atFault : whole.atFault,
  };
}

function partChecks({ missing, missingTokens }: Pick<EarlierReceipts, 'missing' | 'missingTokens'>): CheckReport[] {
  if (missing === null) return [];
  const detail = `the first ${missingTokens} tokens: no receipt ${missing.slice(0, 8)} of this answer is here`;
  return [{ name: 'part', result: 'skipped', detail }];
}

function partCheck({ id, provider, tokens, verification }: CheckedReceipt): CheckReport {
  const failed = verification.checks.find(({ result }) => result === 'fail');
  const said =
    failed === undefined ? `${verification.count} steps opened` : `${verification.faults.join(', ')}: ${failed.detail}`;
  return {
    name: 'part',
    result: verification.result,
    detail: `${tokens} tokens by ${shortPeer(provider)}, receipt ${id.slice(0, 8)}: ${said}`,
  };
}

interface CheckedReceipt extends ReceiptPart {
  readonly verification: Assessment;
}

/**
 * Runs every check on a receipt that the model files here, its referees' receipts, and the auditor if one is named,
 * allow.
 * @throws MalformedError if a message in the receipt is malformed; QvacError E_NO_MODEL, E_MODEL, E_ENGINE; as of
 * `auditReceipt`
 */
async function verifyReceipt(
  components: VerifyReceiptComponents,
  init: ScoredReceiptInit,
  options: AbortOptions = {},
): Promise<Assessment> {
  let assessment = assess(init.receipt, {});
  const here = init.auditor === undefined || init.model !== undefined;
  const model = here ? await findModel(components, init, options) : null;
  if (model !== null && assessment.result !== 'fail')
    assessment = await checkWithModel(components, init, model, options);
  if (init.depth !== 'sampling') assessment = await withReferees(components, init, assessment);
  if (init.auditor !== undefined && assessment.result !== 'fail') {
    const { withAudit } = await import('./audit.ts');
    components.observer.auditing?.();
    assessment = await withAudit(components, init.receipt, assessment, init.auditor, options);
  }
  return assessment;
}

/** The referees' numbers compared once more, if they are named, or if the answer was not re-executed here. */
async function withReferees(
  { config, logger }: VerifyReceiptComponents,
  { receipt, scores }: ScoredReceiptInit,
  assessment: Assessment,
): Promise<Assessment> {
  if (scores === undefined && (isRecomputed(assessment) || assessment.result === 'fail')) return assessment;
  const { findScores, missingScores, withScores } = await import('./referee-receipts.ts');
  const found = scores ?? (await findScores(config.home, receipt));
  const compared = await withScores(assessment, receipt, found, { dirs: [config.home.calibration], logger });
  return { ...compared, checks: [...compared.checks, ...missingScores(receipt, found)] };
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
