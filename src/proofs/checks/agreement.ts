import { equalBytes } from '../../lib/bytes.ts';
import { maxZkChallenges, maxZkVocab } from '../../protocol/constants.ts';
import { isEmbedSampler } from '../../protocol/embedding.ts';
import { grammarDigestOf } from '../../protocol/grammar/rules.ts';
import { isExtraOf } from '../../protocol/messages/extra.ts';
import { modes, type Offer } from '../../protocol/messages.ts';
import { badReceipt } from '../fault.ts';
import { isSameList } from './same-list.ts';
import type { Subject } from './subject.ts';

/**
 * The part of check 1 (section 4.4) that looks at what the two agreed on: continuation, grammar, `extra`, and the
 * settings that the mode asks for.
 * @throws FaultError `bad-receipt`
 */
export function checkAgreement(subject: Subject): void {
  if (!subject.isScore) checkContinuation(subject);
  checkSettings(subject);
  if (subject.isScore) checkScore(subject);
  if (subject.isEmbedding) checkEmbedding(subject);
  if (subject.offer.mode === modes.zk) checkZk(subject.offer);
}

function checkContinuation({ receipt, offer, continuation, isEmbedding }: Subject): void {
  if (receipt.input?.template === 'embed' && !isEmbedding)
    throw badReceipt('the input is one to embed, the offer is not');
  if (continuation.length !== offer.start)
    throw badReceipt(`the prompt has ${receipt.promptTokens.length} tokens, the continuation ${offer.start}`);
  if (receipt.input !== null && !isSameList(receipt.input.continuation, continuation))
    throw badReceipt('the prompt does not end with the continuation of the input');
}

function checkSettings({ receipt, offer, settings }: Subject): void {
  if (!isExtraOf(offer.sampler.extra, receipt.extra)) throw badReceipt('the settings are not those of the offer');
  const { grammar } = settings;
  if (receipt.grammar === null ? grammar !== undefined : grammar === undefined)
    throw badReceipt('the grammar is not that of the offer');
  if (receipt.grammar !== null && grammar !== undefined && !equalBytes(grammarDigestOf(receipt.grammar), grammar))
    throw badReceipt('the grammar is not that of the offer');
}

/** Section 4.7: neutral settings, and the tokens that the input names. */
function checkScore({ receipt, offer, settings }: Subject): void {
  const { temperature, minP, topP } = offer.sampler;
  const { grammar: _grammar, vocabDigest: _vocabDigest, ...others } = settings;
  if (temperature !== 100 || minP !== 0 || topP !== 100 || Object.keys(others).length > 0)
    throw badReceipt('the settings of a score job are not neutral');
  if (offer.start !== 0) throw badReceipt(`a score job begins at ${offer.start} instead of 0`);
  if (receipt.input !== null && !isSameList(receipt.input.continuation, receipt.tokens))
    throw badReceipt('the tokens of a score job are not those of its input');
}

/** Section 4.9: neutral settings, no mode that opens anything on a chain, and one vector for each text. */
function checkEmbedding({ receipt, offer }: Subject): void {
  const { mode, sampler, start } = offer;
  if (mode !== modes.none || start !== 0 || !isEmbedSampler(sampler))
    throw badReceipt('the settings of an embedding job are not neutral');
  const { input } = receipt;
  if (input !== null && (input.template !== 'embed' || input.messages.length !== sampler.maxTokens))
    throw badReceipt('the texts of an embedding job are not those that its offer counts');
}

/** Section 4.8: what mode zk can prove. */
function checkZk({ sampler, challenge }: Offer): void {
  if (sampler.extra !== null || sampler.topP !== 100 || sampler.vocab > maxZkVocab || challenge.count > maxZkChallenges)
    throw badReceipt('the settings of an offer of mode zk are not those that it can prove');
}
