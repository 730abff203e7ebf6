import { followingTokens } from '../../protocol/constants.ts';
import { encodeExtra } from '../../protocol/messages/extra.ts';
import type { GrammarRules, Input, SamplerSettings } from '../../protocol/messages.ts';
import { subjectOf } from '../checks/subject.ts';
import type { Receipt } from '../receipt.ts';

/** What a score job of an answer asks for (section 4.7). */
export interface ScoreRequest {
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** The answer's grammar, and the vocabulary that it is applied to; empty without one. */
  readonly extra: Uint8Array;
  readonly grammar: GrammarRules | null;
}

/**
 * The score job of a finished answer, as a referee is asked for it. It names nothing that the provider committed.
 * @returns null for an answer without a token, or whose prompt the receipt leaves out
 * @throws MalformedError if the receipt is malformed
 */
export function scoreRequestOf(receipt: Receipt): ScoreRequest | null {
  const { offer, settings, answer } = subjectOf(receipt);
  if (receipt.input === null || answer.length === 0) return null;
  const { grammar, vocabDigest } = settings;
  return {
    input: { ...receipt.input, continuation: answer },
    sampler: {
      temperature: 100,
      minP: 0,
      topP: 100,
      topK: offer.sampler.topK + followingTokens,
      maxTokens: answer.length,
    },
    extra: encodeExtra(grammar === undefined || vocabDigest === undefined ? {} : { grammar, vocabDigest }),
    grammar: receipt.grammar,
  };
}
