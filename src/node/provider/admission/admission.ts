import { equalBytes } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { JobId } from '../../../lib/types.ts';
import type { Engine, Prompt } from '../../../model/engine.ts';
import { verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { maxEmbeddedTokens } from '../../../protocol/constants.ts';
import { inputDigestOf, jobIdOf, requestDigestOf } from '../../../protocol/digests.ts';
import type { FrameOf } from '../../../protocol/frames.ts';
import { promptTokenBound } from '../../../protocol/input/prompt-bound.ts';
import { decodeExtra, isExtraOf } from '../../../protocol/messages/extra.ts';
import {
  type Card,
  type Exec,
  type ExtraSettings,
  type GrammarRules,
  type Input,
  kinds,
  modes,
  type Offer,
  payFrom,
  type Signed,
} from '../../../protocol/messages.ts';
import { decodeOffer } from '../../../protocol/validate.ts';
import { maxExtraBytes } from '../../job/answer-extra.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { OfferRefusal } from '../refusal.ts';
import { checkEmbedding, checkTextTokens } from './embed-rules.ts';
import { checkLengths, checkOffer, checkQuote, offeredGrammar } from './offer-rules.ts';
import type { IssuedQuote, Quotes } from './quotes.ts';
import { checkContinuation } from './score-rules.ts';
import type { SeenJobs } from './seen-jobs.ts';

/** An offer that passed every rule, with the results of the checks. */
export interface Admission {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly input: Input;
  readonly extra: Uint8Array;
  /** What `extra` says. */
  readonly settings: ExtraSettings;
  /** Null without one. */
  readonly grammar: GrammarRules | null;
  readonly quote: IssuedQuote | null;
  /** The execution description; `offer.execClass` is its digest. */
  readonly exec: Exec;
  readonly prompt: Prompt;
  readonly inputDigest: Uint8Array;
}

export interface AdmissionComponents {
  readonly engine: Engine;
  /** Returns this provider's current card. */
  readonly card: () => Card;
  readonly quotes: Quotes;
  readonly seen: SeenJobs;
  readonly clock: Clock;
}

/** Above the average bytes per token of any usual text: a prompt beyond it is refused before it is tokenised. */
const maxBytesPerToken = 16;

/**
 * Checks an offer against every rule of section 4, cheapest first, and uses up its quote.
 * @throws OfferRefusal
 */
export function admit(
  components: AdmissionComponents,
  frame: FrameOf<'offer'>,
  remote: FrameStream['remote'],
): Admission {
  const { engine, quotes, seen, clock } = components;
  const card = components.card();
  const offerSigned = { body: frame.body, sig: frame.sig };
  const offer = decodeOffered(frame.body);
  const jobId = jobIdOf(frame.body);
  if (!verifyBody(offer.client, kinds.offer, jobId, offerSigned))
    throw new OfferRefusal('bad-offer', 'the offer’s signature is invalid');
  const now = clock.now();
  const model = checkOffer(offer, { now, remote: remote.publicKey, card });
  const remembered = seen.add(jobId, Number(offer.expiresAt));
  if (remembered === 'seen') throw new OfferRefusal('bad-offer', 'the offer was seen before');
  if (remembered === 'full') throw new OfferRefusal('busy', 'too many unexpired offers');
  if (!equalBytes(requestDigestOf(frame.input), offer.requestDigest))
    throw new OfferRefusal('bad-offer', 'the input does not match the offer');
  const settings = settingsOf(offer, frame.extra);
  checkEmbedding(offer, settings, frame.input, model);
  checkContinuation(offer, settings, frame.input.continuation.length);
  const grammar = offeredGrammar(settings, frame.grammar, model);

  const quote = offer.quote === null ? null : quotes.find(offer.quote);
  if (offer.quote !== null && quote === null)
    throw new OfferRefusal('bad-offer', 'the quote is unknown or was used before');
  if (quote !== null) checkQuote(offer, quote, now);

  const isEmbedding = settings.embed !== undefined;
  const room = isEmbedding ? maxEmbeddedTokens : model.context;
  if (promptTokenBound(frame.input) > room * maxBytesPerToken)
    throw new OfferRefusal('bad-offer', `the prompt is far longer than the context of ${room} tokens`);
  const prompt = promptOf(engine, frame.input, { isScored: offer.mode === modes.score, grammar });
  const { tokensPerSecond } = card.compute;
  if (isEmbedding) checkTextTokens(offer, prompt.tokens.length, tokensPerSecond);
  else checkLengths(offer, prompt.tokens.length, model.context, tokensPerSecond);
  if (offer.quote !== null) quotes.use(offer.quote);
  if (card.exec === null) throw new OfferRefusal('no-model', 'this provider serves no model');
  return {
    jobId,
    offer,
    offerSigned,
    input: frame.input,
    extra: frame.extra,
    settings,
    grammar,
    quote,
    exec: card.exec,
    prompt,
    inputDigest: inputDigestOf(offer.modelId, prompt.tokens),
  };
}

/** The prompt that an offer counts: of a score job without the answer that it scores (section 4.7). */
function promptOf(
  { tokenizer }: Engine,
  input: Input,
  options: { readonly isScored: boolean; readonly grammar: GrammarRules | null },
): Prompt {
  const prompt = tokenizer.encodePrompt(input, options);
  return options.isScored ? { ...prompt, tokens: prompt.tokens.slice(0, prompt.renderingCount) } : prompt;
}

/** The offer in a frame, if the peer signed it and it names a payment, to be refunded if the offer is refused. */
export function payableOffer(
  frame: FrameOf<'offer'>,
  remote: FrameStream['remote'],
): { readonly jobId: JobId; readonly offer: Offer } | null {
  try {
    const offer = decodeOffer(frame.body);
    const jobId = jobIdOf(frame.body);
    const isOwn = equalBytes(offer.client, remote.publicKey) && verifyBody(offer.client, kinds.offer, jobId, frame);
    return isOwn && offer.payment.pay === payFrom.jobAccount ? { jobId, offer } : null;
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

/** The settings that the offer names, if they are valid and served. @throws OfferRefusal */
function settingsOf(offer: Offer, extra: Uint8Array): ExtraSettings {
  if (extra.length > maxExtraBytes)
    throw new OfferRefusal('bad-offer', `the settings have ${extra.length} bytes, at most ${maxExtraBytes} are served`);
  if (!isExtraOf(offer.sampler.extra, extra)) throw new OfferRefusal('bad-offer', 'the settings are not the offer’s');
  try {
    return decodeExtra(extra, offer.sampler.vocab);
  } catch (error) {
    if (error instanceof MalformedError)
      throw new OfferRefusal('bad-offer', `the settings are malformed: ${error.message}`);
    throw error;
  }
}

function decodeOffered(body: Uint8Array): Offer {
  try {
    return decodeOffer(body);
  } catch (error) {
    if (error instanceof MalformedError)
      throw new OfferRefusal('bad-offer', `the offer is malformed: ${error.message}`);
    throw error;
  }
}
