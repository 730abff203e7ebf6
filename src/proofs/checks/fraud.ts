import type { OpenedStep } from '../protocol/messages.ts';
import { decodeReceipt, type Receipt } from './receipt.ts';
import { drawsOf, pickToken } from './sampler.ts';

/**
 * An opened step whose token the seed does not draw from the committed candidates (section 4.4, check 3): what a
 * program
 * on a chain can be shown. Null where there is none.
 * @throws MalformedError where the receipt is malformed
 */
export function fraudulentStep(receipt: Receipt): OpenedStep | null {
  const { offer, opening } = decodeReceipt(receipt);
  const draw = drawsOf(offer.seed);
  return (
    opening?.steps.find(
      ({ i, token, candidates }) => candidates.length === 0 || pickToken(candidates, offer.sampler, draw(i)) !== token,
    ) ?? null
  );
}
