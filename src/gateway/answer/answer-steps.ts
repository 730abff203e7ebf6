import { messageOf } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Answer } from '../../node/client/answer.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import type { LocalVerifier } from '../../node/verification/local-verifier.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { placesByLogit } from '../../proofs/sampling/sampler.ts';
import { maxChallenges, maxTopK, minChallenges } from '../../protocol/constants.ts';
import { decodeOffer, decodeOpening } from '../../protocol/validate.ts';
import type { AnswerSteps, InferenceRequest } from './inference-client.ts';

/** Candidates are committed in 1024ths of a nat. */
const unitsPerNat = 1_024;

export interface AnswerStepsComponents {
  readonly receipts: Pick<ReceiptStore, 'get'>;
  readonly verifier: Pick<LocalVerifier, 'holds' | 'replay'>;
  readonly logger: Logger;
}

/** How many steps to open so that all of an answer are. */
export function stepsToOpen({ sampler: { maxTokens } }: InferenceRequest): number {
  return Math.max(minChallenges, Math.min(maxTokens, maxChallenges));
}

/**
 * The tokens of an answer and the candidates that they were drawn from: recomputed here if the model is here, else as
 * the provider opened them. Null if neither can be had.
 */
export async function answerSteps(
  { receipts, verifier, logger }: AnswerStepsComponents,
  { receipt: id, model }: Pick<Answer, 'receipt' | 'model'>,
  options: AbortOptions,
): Promise<AnswerSteps | null> {
  if (id === null) return null;
  try {
    const { receipt } = await receipts.get(id);
    return (await verifier.holds(model.id)) ? await recomputed(verifier, receipt, options) : opened(receipt);
  } catch (error) {
    logger.warn('the log-probabilities of an answer are not known', { reason: messageOf(error) });
    return null;
  }
}

async function recomputed(
  verifier: Pick<LocalVerifier, 'replay'>,
  receipt: Receipt,
  { signal }: AbortOptions,
): Promise<AnswerSteps> {
  const { tokens, steps, tokenizer } = await verifier.replay(receipt, maxTopK, { signal });
  return {
    steps: steps.map((top, step) => {
      const best = placesByLogit(top).slice(0, maxTopK);
      return {
        token: tokens[step] ?? 0,
        ids: best.map((at) => top.ids[at] ?? 0),
        logits: best.map((at) => top.logits[at] ?? 0),
      };
    }),
    from: 'recomputed',
    bytesOf: (token) => tokenizer.bytesOf(token),
  };
}

/** Null unless every step was opened, which nobody did for the steps of an earlier provider (section 4.6). */
function opened(receipt: Receipt): AnswerSteps | null {
  if (receipt.opening === null || decodeOffer(receipt.offer.body).start > 0) return null;
  const opening = decodeOpening(receipt.opening.body);
  if (opening.v !== 1 || opening.steps.length !== receipt.tokens.length) return null;
  return {
    steps: opening.steps.map(({ token, candidates }) => ({
      token,
      ids: candidates.map(([id]) => id),
      logits: candidates.map(([, q]) => q / unitsPerNat),
    })),
    from: 'opened',
    bytesOf: null,
  };
}
