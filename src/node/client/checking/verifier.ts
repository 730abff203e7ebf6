import { QvacError } from '../../../errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, ModelId } from '../../../lib/types.ts';
import type { Engine } from '../../../model/engine.ts';
import { gatherEvidence } from '../../../model/verify.ts';
import type { Calibration } from '../../../proofs/calibration.ts';
import { assess } from '../../../proofs/checks.ts';
import type { Assessment, Evidence } from '../../../proofs/checks.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { modelIdHex } from '../../../protocol/digests.ts';
import { decodeOffer } from '../../../protocol/validate.ts';
import type { FaultCode } from '../../../protocol/messages.ts';

/** `sampling`: what costs no re-execution (checks 1 to 5). `full`: all that the models here allow. */
export type Depth = 'sampling' | 'full';

/** Checks receipts with the models at hand, one re-execution per model at a time. */
export interface Verifier {
  /** The models that can be re-executed. */
  readonly models: ReadonlySet<ModelId>;
  /**
   * Every check of section 4.4 that `depth` and the models allow. What could not be run is left out of the result,
   * never guessed.
   */
  check(receipt: Receipt, depth: Depth, options?: AbortOptions): Promise<Assessment>;
}

export interface VerifiableModel {
  readonly engine: Engine;
  /** The limits of section 6 for this model, or null for the table's. */
  readonly calibration: Calibration | null;
}

export interface VerifierComponents {
  readonly models: readonly VerifiableModel[];
  readonly logger: Logger;
}

export function createVerifier(components: VerifierComponents): Verifier {
  return new EngineVerifier(components);
}

/** Faults that rest on numbers: re-executed a second time before anybody is blamed (section 5). */
const numericFaults: ReadonlySet<FaultCode> = new Set(['exact-mismatch', 'distribution-far', 'draws-far']);

class EngineVerifier implements Verifier {
  readonly models: ReadonlySet<ModelId>;
  readonly #models: ReadonlyMap<ModelId, VerifiableModel>;
  readonly #turns = new Map<ModelId, Promise<unknown>>();
  readonly #logger: Logger;

  constructor(components: VerifierComponents) {
    this.#models = new Map(components.models.map((model) => [model.engine.facts.id, model]));
    this.models = new Set(this.#models.keys());
    this.#logger = components.logger;
  }

  async check(receipt: Receipt, depth: Depth, options: AbortOptions = {}): Promise<Assessment> {
    const modelId = modelIdHex(decodeOffer(receipt.offer.body).modelId);
    const model = this.#models.get(modelId);
    if (model === undefined) return assess(receipt, {});
    if (depth === 'sampling') return assess(receipt, await this.#evidence(receipt, { tokenizer: model.engine.tokenizer }, options));
    // A receipt that fails without the model is not worth a re-execution.
    const cheap = assess(receipt, {});
    return cheap.result === 'fail' ? cheap : this.#inTurn(modelId, () => this.#replay(receipt, model, options), options);
  }

  async #replay(receipt: Receipt, model: VerifiableModel, options: AbortOptions): Promise<Assessment> {
    const first = assess(receipt, await this.#evidence(receipt, model, options));
    if (!isNumericFail(first)) return first;
    const second = assess(receipt, await this.#evidence(receipt, model, options));
    return isNumericFail(second) ? second : { ...second, result: 'inconclusive', faults: [] };
  }

  /** What the model shows; without what it could not, where the engine fails. */
  async #evidence(receipt: Receipt, source: Parameters<typeof gatherEvidence>[0], options: AbortOptions): Promise<Evidence> {
    try {
      return await gatherEvidence(source, receipt, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#logger.warn('re-execution failed', { code: error instanceof QvacError ? error.code : 'E_BUG', reason: error instanceof Error ? error.message : String(error) });
      return source.engine === undefined ? {} : this.#evidence(receipt, { tokenizer: source.engine.tokenizer }, options);
    }
  }

  async #inTurn<T>(modelId: ModelId, run: () => Promise<T>, options: AbortOptions): Promise<T> {
    const before = this.#turns.get(modelId) ?? Promise.resolve();
    const turn = before.then(() => {
      options.signal?.throwIfAborted();
      return run();
    });
    // One that fails does not keep the next from its turn.
    this.#turns.set(modelId, turn.catch(() => undefined));
    return turn;
  }
}

function isNumericFail(assessment: Assessment): boolean {
  return assessment.result === 'fail' && assessment.faults.some((fault) => numericFaults.has(fault));
}
