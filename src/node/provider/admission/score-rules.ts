import { maxScoredTokens } from '../../../protocol/constants.ts';
import { type ExtraSettings, modes, type Offer } from '../../../protocol/messages.ts';
import { OfferRefusal } from '../refusal.ts';

/**
 * What holds between an offer and the tokens that its input goes on with: of an answer the part before this job, of a
 * score job (section 4.7) the whole answer, under neutral settings.
 * @throws OfferRefusal
 */
export function checkContinuation(offer: Offer, settings: ExtraSettings, count: number): void {
  if (offer.mode === modes.score) return checkScore(offer, settings, count);
  if (offer.start !== count) throw refused('start is not the length of the continuation');
}

function checkScore({ sampler, start }: Offer, settings: ExtraSettings, count: number): void {
  const { temperature, minP, topP, maxTokens } = sampler;
  if (start !== 0) throw refused('a score job starts at 0');
  if (maxTokens !== count) throw refused(`${maxTokens} tokens to score, and ${count} came`);
  if (count > maxScoredTokens) throw refused(`${count} tokens to score, at most ${maxScoredTokens} are served`);
  const others = Object.keys(settings).filter((key) => key !== 'grammar' && key !== 'vocabDigest');
  const isNeutral = temperature === 100 && minP === 0 && topP === 100 && others.length === 0;
  if (!isNeutral) throw refused('a score job has neutral settings');
}

function refused(why: string): OfferRefusal {
  return new OfferRefusal('bad-offer', why);
}
