import type { Offer, Peer } from '../api.ts';
import { h } from '../dom.ts';
import { market, offeredModels } from '../market.ts';
import { store } from '../store.ts';
import { plural, price, safeName, shortPeer } from '../words.ts';

type Offers = readonly { readonly peer: Peer; readonly offer: Offer }[];

/** Which model, and who is to answer: price, speed, distance and what was seen of them. */
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
    Object.assign(store.settings, change);
    store.saveSettings();
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
        `${modelWords(name)} · ${plural(offers.length, 'provider')} · ${cheapest(offers)}`,
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
  );
}

/** What is chosen, in whole: a closed select has no room for it. */
function factsOf(offers: Offers, from: string): string {
  const { trouble } = market.view;
  if (trouble !== null) return '';
  if (from !== '') {
    const found = offers.find(({ peer }) => peer.peer === from);
    return found === undefined
      ? `${shortPeer(from)} does not offer this now. Choose another, or the best provider.`
      : describe(found.peer, found.offer);
  }
  if (offers.length === 0) return 'Nobody offers this now. Choose another model, or wait until somebody does.';
  const used = offers.filter(({ peer }) => peer.record.usable);
  const [only] = used;
  if (only === undefined)
    return 'Whoever offers this is not used for now, for what was seen of them: see Peers. Choosing one here asks it all the same.';
  if (used.length === 1) return describe(only.peer, only.offer);
  return `${plural(used.length, 'provider')}, ${cheapest(used)}: the best is chosen by price, speed, distance and what was seen of it.`;
}

function modelWords(name: string): string {
  return safeName(name.replace(/\/([^/]*)$/, ' $1'));
}

/** What people call the file with that digest. */
function nameOf(id: string, models: ReturnType<typeof offeredModels>): string | undefined {
  const found = models.find(({ offers }) => offers.some(({ offer }) => offer.id === id));
  return found === undefined ? undefined : modelWords(found.name);
}

function cheapest(offers: Offers): string {
  const [best] = offers.map(({ offer }) => offer).toSorted((a, b) => a.priceOut - b.priceOut);
  if (best === undefined) return '';
  const free = best.priceIn === 0 && best.priceOut === 0;
  return free ? 'free' : `from ${price(best.priceIn, best.priceOut)}`;
}

function describe(peer: Peer, offer: Offer): string {
  const distance = peer.rttMs === null ? [] : [`${Math.round(peer.rttMs)} ms away`];
  return [
    shortPeer(peer.peer),
    safeName(peer.device),
    `${peer.tokensPerSecond} tok/s`,
    ...distance,
    price(offer.priceIn, offer.priceOut),
    recordWords(peer),
  ].join(' · ');
}

/** What this person's node has seen of a peer. */
export function recordWords({ record }: Peer): string {
  if (!record.usable && record.reason !== null) return `not used: ${record.reason}`;
  const [served, verified, aborted] = [record.served, record.verified, record.aborted].map(Math.round) as [
    number,
    number,
    number,
  ];
  if (served + aborted === 0) return 'not asked yet';
  return [
    `${served} answered`,
    ...(verified > 0 ? [`${verified} verified`] : []),
    ...(aborted > 0 ? [`${aborted} broken off`] : []),
  ].join(', ');
}

/** Fills a select without losing what is chosen; what is chosen and gone stays, named as such. */
function options(select: HTMLSelectElement, chosen: string, entries: readonly (readonly [string, string])[]): void {
  const all =
    chosen === '' || entries.some(([value]) => value === chosen)
      ? entries
      : [
          ...entries,
          [chosen, `${chosen.includes('/') ? modelWords(chosen) : shortPeer(chosen)} · not there now`] as const,
        ];
  const unchanged =
    select.options.length === all.length &&
    all.every(([value, text], at) => select.options[at]?.value === value && select.options[at]?.text === text);
  if (!unchanged) select.replaceChildren(...all.map(([value, text]) => h('option', { value }, text)));
  select.value = chosen;
}
