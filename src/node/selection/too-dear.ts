import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { type ChooseComponents, chooseProviders } from './choose.ts';
import type { Selection, SelectionCriteria } from './select.ts';

/**
 * What a router's `too-dear` would have to say: what the cheapest offer above the limit may cost, by the signed cards
 * that
 * this client sees. The router's own words are not read.
 * @param label the model, for people
 * @returns an E_TOO_DEAR with `priceLamports`, or `refusal` itself where this client sees no such offer
 */
export async function pricedRefusal(
  components: Pick<ChooseComponents, 'discovery' | 'reputation' | 'network'>,
  wish: SelectionCriteria,
  label: string,
  refusal: QvacError,
  options: AbortOptions,
): Promise<QvacError> {
  let prices: readonly bigint[] = [];
  const fell = ({ excluded }: Selection): void => {
    prices = excluded.flatMap(({ priceLamports }) => priceLamports ?? []);
  };
  // Without payments: the router pays, so nobody's wallet is opened here.
  await chooseProviders({ ...components, payments: null, fell }, wish, null, options).catch((reason: unknown) => {
    options.signal?.throwIfAborted();
    if (!(reason instanceof QvacError)) throw reason;
  });
  const [lowest] = prices.toSorted((a, b) => (a < b ? -1 : 1));
  if (lowest === undefined) return refusal;
  return new QvacError(
    'E_TOO_DEAR',
    `through your router, an answer of ${label} may cost more than ${wish.maxPrice} lamports: up to ${lowest} lamports`,
    {
      hint: `allow it with --max-price ${lowest}, or with --yes`,
      cause: refusal,
      details: { ...refusal.details, priceLamports: lowest.toString() },
    },
  );
}
