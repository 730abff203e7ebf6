import { shortPeer } from '../../lib/names.ts';
import type { ModelOffer, PeerSummary } from '../api.ts';
import { h } from '../dom.ts';
import { plural, price, safeName } from '../labels.ts';
import { market, offeredModels } from '../market.ts';
import { store } from '../store.ts';
import { refereeSwitch } from './referee-switch.ts';

type Offers = readonly { readonly peer: PeerSummary; readonly offer: ModelOffer }[];

/** Selects the model and the provider; shows price, speed, distance and record. */
export function picker(): HTMLElement {
  const facts = h('p', { class: 'hint', id: 'choice-facts' });
  const model = h('select', {
    id: 'model',
    'aria-describedby': 'choice-facts',
    change: () => choose({ model: model.value, provider: '' }),
  });
  const provider = h('select', {
    id: 'provider',
    'aria-describedby': 'choice-facts',
    change: () => choose({ provider: provider.value }),
  });
  const choose = (change: { readonly model?: string; readonly provider?: string }): void => {
    store.changeSettings(change);
    fill();
  };
  const fill = (): void => {
    const models = offeredModels(market.view.peers);
    const { model: chosen, provider: from } = store.settings;
    const bestModel = market.view.state?.defaults.model;
    options(model, chosen, [
      [
        '',
        bestModel === null || bestModel === undefined
          ? 'best live offer'
          : (nameOf(bestModel, models) ?? safeName(bestModel)),
      ],
      ...models.map(({ name, offers }): readonly [string, string] => [
        name,
        `${modelLabel(name)} · ${plural(offers.length, 'provider')} · ${cheapest(offers)}`,
      ]),
    ]);
    const wanted = chosen === '' && bestModel != null ? bestModel : chosen;
    const offers = models
      .filter(
        ({ name, offers: each }) =>
          wanted === '' ||
          [name, name.replace(/\/[^/]*$/, '')].includes(wanted) ||
          each.some(({ offer }) => offer.id === wanted),
      )
      .flatMap((each) => each.offers);
    options(provider, from, [
      ['', 'best provider'],
      ...offers.map(({ peer, offer }): readonly [string, string] => [peer.peer, describe(peer, offer)]),
    ]);
    facts.textContent = factsOf(offers, from);
  };
  market.onChange(fill);
  store.onChange(fill);
  fill();
  return h(
    'div',
    { class: 'picker' },
    h('div', {}, h('label', { for: 'model' }, 'Model'), model),
    h('div', {}, h('label', { for: 'provider' }, 'Answered by'), provider),
    facts,
    refereeSwitch(),
  );
}

/** The full description of the choice, which a closed select would cut off. */
function factsOf(offers: Offers, from: string): string {
  const { unavailable } = market.view;
  if (unavailable !== null) return '';
  if (from !== '') {
    const found = offers.find(({ peer }) => peer.peer === from);
    return found === undefined
      ? `${shortPeer(from)} does not offer this model now. Choose another provider, or the best one.`
      : describe(found.peer, found.offer);
  }
  if (offers.length === 0) return 'No provider offers this model now. Choose another one, or wait.';
  const used = offers.filter(({ peer }) => peer.record.usable);
  const [only] = used;
  if (only === undefined)
    return 'Every provider of this model is excluded because of its record (see Peers). You can still choose one here.';
  if (used.length === 1) return describe(only.peer, only.offer);
  return (
    `${plural(used.length, 'provider')}, ${cheapest(used)}: qvac picks the best by price, speed, distance and ` +
    'record.'
  );
}

function modelLabel(name: string): string {
  return safeName(name.replace(/\/([^/]*)$/, ' $1'));
}

/** The name of the model file with that digest. */
function nameOf(id: string, models: ReturnType<typeof offeredModels>): string | undefined {
  const found = models.find(({ offers }) => offers.some(({ offer }) => offer.id === id));
  return found === undefined ? undefined : modelLabel(found.name);
}

function cheapest(offers: Offers): string {
  const [best] = offers.map(({ offer }) => offer).toSorted((a, b) => a.priceOut - b.priceOut);
  if (best === undefined) return '';
  const free = best.priceIn === 0 && best.priceOut === 0;
  return free ? 'free' : `from ${price(best.priceIn, best.priceOut)}`;
}

function describe(peer: PeerSummary, offer: ModelOffer): string {
  const distance = peer.rttMs === null ? [] : [`${Math.round(peer.rttMs)} ms away`];
  return [
    shortPeer(peer.peer),
    safeName(peer.device),
    `${peer.tokensPerSecond} tok/s`,
    ...distance,
    price(offer.priceIn, offer.priceOut),
    recordLabel(peer),
  ].join(' · ');
}

/** The record of a peer, as a short text. */
export function recordLabel({ record }: PeerSummary): string {
  if (!record.usable && record.reason !== null) return `not used: ${record.reason}`;
  const [served, verified, aborted] = [record.served, record.verified, record.aborted].map(Math.round) as [
    number,
    number,
    number,
  ];
  if (served + aborted === 0) return 'no record yet';
  return [
    `${served} answered`,
    ...(verified > 0 ? [`${verified} verified`] : []),
    ...(aborted > 0 ? [`${aborted} aborted`] : []),
  ].join(', ');
}

/** Fills a select and keeps the choice, even if it is not on offer any more. */
function options(select: HTMLSelectElement, chosen: string, entries: readonly (readonly [string, string])[]): void {
  const all =
    chosen === '' || entries.some(([value]) => value === chosen)
      ? entries
      : [
          ...entries,
          [chosen, `${chosen.includes('/') ? modelLabel(chosen) : shortPeer(chosen)} · not on offer now`] as const,
        ];
  const unchanged =
    select.options.length === all.length &&
    all.every(([value, text], at) => select.options[at]?.value === value && select.options[at]?.text === text);
  if (!unchanged) select.replaceChildren(...all.map(([value, text]) => h('option', { value }, text)));
  select.value = chosen;
}
