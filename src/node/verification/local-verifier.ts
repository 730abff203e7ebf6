import { messageOf, QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, ModelId } from '../../lib/types.ts';
import { createAnswerGrammar } from '../../model/answer-grammar.ts';
import type { Engine, Tokenizer } from '../../model/engine.ts';
import { gatherEvidence } from '../../model/verify.ts';
import type { Calibration } from '../../proofs/calibration.ts';
import { subjectOf } from '../../proofs/checks/subject.ts';
import { type Assessment, assess } from '../../proofs/checks.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { textOf } from '../../proofs/text/answer-text.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { finish, type Input } from '../../protocol/messages.ts';
import { decodeOffer } from '../../protocol/validate.ts';
import { cutShort } from './doubt.ts';
import { type CheckOptions, createVerifier, type Depth, type Verifier } from './verifier.ts';

export interface LocalVerifierComponents {
  /** Finds a model of this machine by hex id, `name` or `name/quant`; null if it has none. */
  readonly find: (model: string) => Promise<ModelId | null>;
  /** Load a model of this machine: with its weights, or its vocabulary alone. */
  readonly openEngine: (model: ModelId, options: AbortOptions) => Promise<Engine>;
  readonly openTokenizer: (model: ModelId, options: AbortOptions) => Promise<Tokenizer>;
  readonly calibration: (model: ModelId) => Promise<Calibration | null>;
  readonly logger: Logger;
}

/** Checks receipts with the model files of this machine, each loaded when it is first needed. */
export interface LocalVerifier {
  /** Whether this machine has a model with this hex id, `name` or `name/quant`. */
  holds(model: string): Promise<boolean>;
  /** Starts loading what a check of this depth needs, so that it is ready with the answer. Never throws. */
  prepare(model: ModelId, depth: Depth): void;
  /** Runs every check of section 4.4 that `depth` and the files allow. Omits the others, never guesses them. */
  check(receipt: Receipt, depth: Depth, options?: CheckOptions): Promise<Assessment>;
  /**
   * The prompt's tokens, the continuation behind them; null if the model is not here.
   * @throws QvacError E_BAD_INPUT for a prompt that no provider may accept
   */
  encodePrompt(model: ModelId, input: Input): Promise<readonly number[] | null>;
  /**
   * The text of `tokens` behind a continuation, an incomplete last character left out; null if the model is not here.
   * @param hasMarkers with the texts of control tokens (section 4.1)
   */
  textOf(
    model: ModelId,
    continuation: readonly number[],
    tokens: readonly number[],
    hasMarkers: boolean,
  ): Promise<string | null>;
  /**
   * The text of the prompt as its template renders it, with the texts of control tokens, but not of stops; null if the
   * model is not here.
   * @throws QvacError E_BAD_INPUT for a prompt that no provider may accept
   */
  renderPrompt(model: ModelId, input: Input): Promise<string | null>;
  /**
   * Recomputes the logits that each token of the answer was drawn from, with the `topK` likeliest candidates.
   * @throws QvacError E_NO_MODEL if the model is not here
   */
  replay(receipt: Receipt, topK: number, options?: AbortOptions): Promise<Replay>;
  /** Frees everything that was loaded. */
  dispose(): Promise<void>;
}

export interface Replay {
  /** Of the whole answer, whoever began it (section 4.6). */
  readonly tokens: readonly number[];
  /** One per token. */
  readonly steps: readonly TopLogits[];
  readonly tokenizer: Tokenizer;
}

export function createLocalVerifier(components: LocalVerifierComponents): LocalVerifier {
  const { find, logger } = components;
  const holds = async (model: string): Promise<boolean> => (await find(model)) !== null;
  const engines = new Map<ModelId, Promise<Engine>>();
  const tokenizers = new Map<ModelId, Promise<Tokenizer>>();
  const verifiers = new WeakMap<Engine, Verifier>();
  const end = new AbortController();

  function loaded<Part>(
    parts: Map<ModelId, Promise<Part>>,
    model: ModelId,
    open: (model: ModelId, options: AbortOptions) => Promise<Part>,
  ): Promise<Part> {
    const known = parts.get(model);
    if (known !== undefined) return known;
    const opening = open(model, { signal: end.signal });
    parts.set(model, opening);
    // Current callers receive the failure; the next caller tries again.
    opening.catch(() => parts.delete(model));
    return opening;
  }
  const engineOf = (model: ModelId): Promise<Engine> => loaded(engines, model, components.openEngine);
  const tokenizerOf = (model: ModelId): Promise<Tokenizer> => loaded(tokenizers, model, components.openTokenizer);

  async function checkWith(model: ModelId, receipt: Receipt, depth: Depth, options: CheckOptions): Promise<Assessment> {
    const calibration = await components.calibration(model);
    const withoutWeights = async (): Promise<Assessment> =>
      assess(
        receipt,
        await gatherEvidence({ tokenizer: await tokenizerOf(model), calibration }, receipt, { signal: options.signal }),
      );
    if (depth === 'sampling') return withoutWeights();
    try {
      // Loading counts against the time limit, too.
      const engine = await raceSignal(engineOf(model), options.until);
      const verifier = verifiers.get(engine) ?? createVerifier({ models: [{ engine, calibration }], logger });
      verifiers.set(engine, verifier);
      return await verifier.check(receipt, depth, options);
    } catch (error) {
      if (options.until?.aborted !== true) throw error;
      return cutShort(await withoutWeights());
    }
  }

  return {
    holds,
    prepare(model, depth) {
      void holds(model)
        .then<unknown>((here) => (here ? (depth === 'full' ? engineOf(model) : tokenizerOf(model)) : null))
        .catch(() => undefined);
    },
    async check(receipt, depth, options = {}) {
      const model = modelIdHex(decodeOffer(receipt.offer.body).modelId);
      if (!(await holds(model))) return assess(receipt, {});
      try {
        return await checkWith(model, receipt, depth, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        logger.warn('the model could not be used to check the answer', {
          reason: messageOf(error),
        });
        return assess(receipt, {});
      }
    },
    async encodePrompt(model, input) {
      return (await holds(model)) ? (await tokenizerOf(model)).encodePrompt(input).tokens : null;
    },
    async textOf(model, continuation, tokens, hasMarkers) {
      if (!(await holds(model))) return null;
      const tokenizer = await tokenizerOf(model);
      const bytesOf = (token: number): Uint8Array =>
        hasMarkers ? tokenizer.markedBytesOf(token) : tokenizer.bytesOf(token);
      return textOf(bytesOf, continuation, tokens, finish.brokenOff);
    },
    async renderPrompt(model, input) {
      if (!(await holds(model))) return null;
      const tokenizer = await tokenizerOf(model);
      const bytes = tokenizer.encodePrompt(input).tokens.map((token) => tokenizer.markedBytesOf(token));
      return Buffer.concat(bytes).toString();
    },
    async replay(receipt, topK, options = {}) {
      const { modelId, start } = decodeOffer(receipt.offer.body);
      const model = modelIdHex(modelId);
      if (!(await holds(model))) throw new QvacError('E_NO_MODEL', 'the model is not on this machine');
      const engine = await engineOf(model);
      const subject = subjectOf(receipt);
      const grammar = createAnswerGrammar(subject, engine.tokenizer.vocabulary);
      const session = await engine.open(options);
      const renderingCount = receipt.promptTokens.length - start;
      const tokens = [...receipt.promptTokens.slice(renderingCount), ...receipt.tokens];
      try {
        return {
          tokens,
          steps: await session.replay(receipt.promptTokens.slice(0, renderingCount), tokens, topK, {
            ...options,
            allowedAt: grammar?.allowedAt,
          }),
          tokenizer: engine.tokenizer,
        };
      } finally {
        await session.release();
      }
    },
    async dispose() {
      end.abort(new Error('no longer needed'));
      const parts = await Promise.allSettled<{ dispose(): Promise<void> }>([
        ...engines.values(),
        ...tokenizers.values(),
      ]);
      await Promise.all(parts.map((part) => (part.status === 'fulfilled' ? part.value.dispose() : undefined)));
    },
  };
}
