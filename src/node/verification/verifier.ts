import { messageOf, QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, ModelId } from '../../lib/types.ts';
import type { Engine } from '../../model/engine.ts';
import { gatherEvidence } from '../../model/verify.ts';
import type { Calibration } from '../../proofs/calibration.ts';
import { type Assessment, assess, type Evidence } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import type { Input, Verdict } from '../../protocol/messages.ts';
import { decodeOffer } from '../../protocol/validate.ts';
import { cutShort, doubted, isNumericFail } from './doubt.ts';
import { createTurns, type Turns } from './turns.ts';

/** Prompt and answer together: a few seconds on any machine. */
const maxShortTokens = 1_024;

/** `sampling`: the checks without re-execution (1 to 5). `full`: every check that the models here allow. */
export type Depth = 'sampling' | 'full';

export interface CheckOptions extends AbortOptions {
  /** When it aborts, a running re-execution is given up, and the result is inconclusive. @default never */
  readonly until?: AbortSignal | undefined;
  /**
   * Asks another node to re-execute an answer that failed a numeric check; resolves to null if no node did.
   * @default this node re-executes it once more, from a fresh context
   */
  readonly second?:
    | ((receipt: Receipt, options: AbortOptions) => Promise<Pick<Verdict, 'result' | 'faults'> | null>)
    | undefined;
}

/**
 * Checks receipts with this node's models. Each re-executes as many at a time as its engine has slots; of several one
 * is for short answers alone.
 */
export interface Verifier {
  /** The models that can be re-executed. */
  readonly models: ReadonlySet<ModelId>;
  /**
   * Whether the answer fits in the context of a model here. To be asked before `check`, which hashes every token: an
   * untrusted receipt may have millions.
   */
  takes(receipt: Receipt): boolean;
  /**
   * The prompt's tokens, the continuation behind them; null if the model is not here.
   * @throws QvacError E_BAD_INPUT for an input that every provider must refuse
   */
  encodePrompt(model: ModelId, input: Input): readonly number[] | null;
  /**
   * Runs every check of section 4.4 that `depth` and the models allow. Omits the others from the result, never guesses
   * them.
   */
  check(receipt: Receipt, depth: Depth, options?: CheckOptions): Promise<Assessment>;
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

class EngineVerifier implements Verifier {
  readonly models: ReadonlySet<ModelId>;
  readonly #models: ReadonlyMap<ModelId, VerifiableModel>;
  readonly #turns: ReadonlyMap<ModelId, Turns>;
  readonly #logger: Logger;

  constructor(components: VerifierComponents) {
    this.#models = new Map(components.models.map((model) => [model.engine.facts.id, model]));
    this.models = new Set(this.#models.keys());
    this.#turns = new Map(
      components.models.map(({ engine: { facts, slots } }) => [facts.id, createTurns(slots.total)]),
    );
    this.#logger = components.logger;
  }

  takes({ offer, promptTokens, tokens }: Receipt): boolean {
    const model = this.#models.get(modelIdHex(decodeOffer(offer.body).modelId));
    return model !== undefined && promptTokens.length + tokens.length <= model.engine.facts.context;
  }

  encodePrompt(model: ModelId, input: Input): readonly number[] | null {
    return this.#models.get(model)?.engine.tokenizer.encodePrompt(input).tokens ?? null;
  }

  async check(receipt: Receipt, depth: Depth, options: CheckOptions = {}): Promise<Assessment> {
    const modelId = modelIdHex(decodeOffer(receipt.offer.body).modelId);
    const model = this.#models.get(modelId);
    if (model === undefined) return assess(receipt, {});
    if (depth === 'sampling')
      return assess(receipt, await this.#evidence(receipt, { tokenizer: model.engine.tokenizer }, options));
    // A receipt that fails without the model needs no re-execution.
    const cheap = assess(receipt, {});
    return cheap.result === 'fail' ? cheap : this.#inTurn(modelId, receipt, model, options);
  }

  async #inTurn(
    modelId: ModelId,
    receipt: Receipt,
    model: VerifiableModel,
    options: CheckOptions,
  ): Promise<Assessment> {
    const { signal, until } = options;
    const isShort = receipt.promptTokens.length + receipt.tokens.length <= maxShortTokens;
    try {
      const give = await this.#turns.get(modelId)?.take(isShort, { signal: anySignal(signal, until) });
      try {
        return await this.#replay(receipt, model, options);
      } finally {
        give?.();
      }
    } catch (error) {
      if (until?.aborted !== true || signal?.aborted === true) throw error;
      return cutShort(
        assess(receipt, await this.#evidence(receipt, { tokenizer: model.engine.tokenizer }, { signal })),
      );
    }
  }

  async #replay(
    receipt: Receipt,
    model: VerifiableModel,
    { signal, until, second }: CheckOptions,
  ): Promise<Assessment> {
    const within = { signal: anySignal(signal, until) };
    const first = assess(receipt, await this.#evidence(receipt, model, within));
    if (!isNumericFail(first)) return first;
    try {
      const opinion =
        (await second?.(receipt, within)) ?? assess(receipt, await this.#evidence(receipt, model, within));
      return isNumericFail(opinion) ? first : doubted(first, 'not in a second one');
    } catch (error) {
      if (until?.aborted !== true || signal?.aborted === true) throw error;
      return doubted(first, 'and a second one did not end in time');
    }
  }

  /** Gathers the model's evidence; if the engine fails, the evidence of its tokenizer alone. */
  async #evidence(
    receipt: Receipt,
    source: Parameters<typeof gatherEvidence>[0],
    options: AbortOptions,
  ): Promise<Evidence> {
    try {
      return await gatherEvidence(source, receipt, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#logger.warn('re-execution failed', {
        code: error instanceof QvacError ? error.code : 'E_BUG',
        reason: messageOf(error),
      });
      return source.engine === undefined
        ? {}
        : this.#evidence(receipt, { tokenizer: source.engine.tokenizer }, options);
    }
  }
}
