import { maxEmbeddedNumbers, maxEmbeddedTexts, maxEmbeddedTokens } from '../../../protocol/constants.ts';
import { dimensionsOf, isEmbedSampler, truncationOf } from '../../../protocol/embedding.ts';
import { type CardModel, type ExtraSettings, type Input, modes, type Offer } from '../../../protocol/messages.ts';
import { OfferRefusal } from '../refusal.ts';

/**
 * What holds between an offer, its input and the model where texts are to be embedded (section 4.9), and that neither
 * asks for it where they are not.
 * @throws OfferRefusal
 */
export function checkEmbedding(offer: Offer, settings: ExtraSettings, input: Input, model: CardModel): void {
  const { embed } = settings;
  if ((embed === undefined) !== (input.template !== 'embed')) throw refused('the offer is not one to embed its input');
  if (embed === undefined) return;
  const dimensions = dimensionsOf(model);
  if (dimensions === null) throw refused('this model answers, and does not embed texts');
  if (embed !== dimensions) throw refused(`vectors of ${embed} numbers, the model’s have ${dimensions}`);
  const { sampler, mode, start, terms } = offer;
  const texts = input.messages.length;
  if (sampler.maxTokens !== texts) throw refused(`${sampler.maxTokens} vectors for ${texts} texts`);
  if (mode !== modes.none || start !== 0 || !isEmbedSampler(sampler) || terms.priceOutLamports !== 0n)
    throw refused('an embedding job has neutral settings');
  if (texts > maxEmbeddedTexts || texts * dimensions > maxEmbeddedNumbers)
    throw refused(`${texts} vectors of ${dimensions} numbers, a job has at most ${mostOfJob}`);
  if ((truncationOf(input) ?? 0) > model.context) throw refused(`texts are cut at ${model.context} tokens at most`);
}

/**
 * The rules that need the number of the texts' tokens.
 * @param tokensPerSecond this provider's own speed
 * @throws OfferRefusal
 */
export function checkTextTokens({ quote, terms }: Offer, count: number, tokensPerSecond: number): void {
  if (count > maxEmbeddedTokens) throw refused(`${count} tokens, at most ${maxEmbeddedTokens} are embedded in one job`);
  if (quote === null) return;
  if (count > terms.promptTokens) throw refused(`the texts have ${count} tokens, ${terms.promptTokens} were quoted`);
  const neededS = Math.ceil(count / tokensPerSecond);
  if (neededS > terms.deliverWithinS) throw refused(`${count} tokens take ${neededS} s here, longer than was quoted`);
}

const mostOfJob = `${maxEmbeddedTexts} with ${maxEmbeddedNumbers} numbers together`;

function refused(why: string): OfferRefusal {
  return new OfferRefusal('bad-offer', why);
}
