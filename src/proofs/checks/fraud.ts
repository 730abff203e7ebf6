import type { OpenedStep } from '../../protocol/messages.ts';
import { decodeReceipt, type Receipt } from '../receipt.ts';
import { drawsOf, pickToken } from '../sampling/sampler.ts';

/**
 * An opened step whose token the seed does not draw from the committed candidates (section 4.4, check 3): what a
 * program on a chain can be shown. Null if there is none, or if the offer has settings beyond the sampler, which no
 * program judges (section 4.1).
 * @throws MalformedError if the receipt is malformed
 */
export function fraudulentStep(receipt: Receipt): OpenedStep | null {
  const { offer, opening } = decodeReceipt(receipt);
  if (offer.sampler.extra !== null) return null;
  const draw = drawsOf(offer.seed);
  return (
    opening?.steps.find(
      ({ i, token, candidates }) =>
        candidates.length === 0 || pickToken(candidates, offer.sampler, draw(offer.start + i)) !== token,
    ) ?? null
  );
}
