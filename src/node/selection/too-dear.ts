import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { type ChooseComponents, chooseProviders } from './choose.ts';
import type { Selection, SelectionCriteria } from './select.ts';

/**
 * Adds to a router's `too-dear` refusal what the cheapest offer above the limit may cost, by the signed cards that this
 * client sees. The router's own message is untrusted and not read.
 * @param label the model, for people
 * @returns an E_TOO_DEAR with `priceLamports`, or `refusal` itself if this client sees no such offer
 */
export async function pricedRefusal(
  components: Pick<ChooseComponents, 'discovery' | 'reputation' | 'network'>,
  criteria: SelectionCriteria,
  label: string,
  refusal: QvacError,
  options: AbortOptions,
): Promise<QvacError> {
  let prices: readonly bigint[] = [];
  const onSelection = ({ excluded }: Selection): void => {
    prices = excluded.flatMap(({ priceLamports }) => priceLamports ?? []);
  };
  // The router pays, so this client's wallet is not opened.
  await chooseProviders({ ...components, payments: null, onSelection }, criteria, null, options).catch(
    (reason: unknown) => {
      options.signal?.throwIfAborted();
      if (!(reason instanceof QvacError)) throw reason;
    },
  );
  const [lowest] = prices.toSorted((a, b) => (a < b ? -1 : 1));
  if (lowest === undefined) return refusal;
  const answer = `through your router, an answer of ${label}`;
  const message = `${answer} may cost more than ${criteria.maxPrice} lamports: up to ${lowest} lamports`;
  return new QvacError('E_TOO_DEAR', message, {
    hint: `allow it with --max-price ${lowest}, or with --yes`,
    cause: refusal,
    details: { ...refusal.details, priceLamports: lowest.toString() },
  });
}
