import { plural, sol } from './labels.ts';
import { market, offeredModels } from './market.ts';
import { store } from './store.ts';

/** How many strangers see prompt and answer to check it; 0: none. Only a full check has any. */
export function refereesAsked(): 0 | 1 | 3 {
  const { referees, refereeCount, verify } = store.settings;
  const byDefault = market.view.state?.defaults.referees ?? null;
  if (verify === 'none' || verify === 'sampling') return 0;
  if (referees === '' && byDefault !== null) return byDefault === 1 ? 1 : 3;
  if (referees !== 'yes') return 0;
  return refereeCount === '1' ? 1 : 3;
}

/** To how many strangers a prompt goes, and at what price, in one line. */
export function refereesWords(): string {
  const { verify } = store.settings;
  if (verify === 'none' || verify === 'sampling')
    return 'Ask referees: only with a full check, which is turned off under Settings.';
  const count = refereesAsked();
  if (count === 0) return 'Ask referees to check answers of models that this machine does not have.';
  const prices = otherPrices();
  if (prices.length === 0) return 'No other provider of this model could check its answers now.';
  const most = Math.max(...prices);
  const price = most === 0 ? 'free' : `at most ${sol(most * count)} per 1,000 tokens`;
  const who = `Referees: ${count} of ${plural(prices.length, 'other provider')}, drawn by lot,`;
  const sees = count === 1 ? 'sees prompt and answer, 3 if it disagrees' : 'see prompt and answer';
  return `${who} ${sees}: ${price}.`;
}

/** What the providers that are not the one to answer charge for a prompt, lamports per 1,000 tokens. */
function otherPrices(): readonly number[] {
  const { model, provider } = store.settings;
  const wanted = model === '' ? (market.view.state?.defaults.model ?? '') : model;
  const models = offeredModels(market.view.peers).filter(
    ({ name, offers }) =>
      wanted === '' ||
      [name, name.replace(/\/[^/]*$/, '')].includes(wanted) ||
      offers.some(({ offer }) => offer.id === wanted),
  );
  const [best] = models.toSorted((a, b) => b.offers.length - a.offers.length);
  const offers = best?.offers ?? [];
  const others = provider === '' ? offers.slice(1) : offers.filter(({ peer }) => peer.peer !== provider);
  return others.map(({ offer }) => offer.priceIn);
}
