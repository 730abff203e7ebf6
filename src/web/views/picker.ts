import type { Offer, Peer } from '../api.ts';
import { h } from '../dom.ts';
import { market, offeredModels } from '../market.ts';
import { store } from '../store.ts';
import { plural, price, shortPeer } from '../words.ts';

/** Which model, and who is to answer: price, speed, distance and what was seen of them. */
export function picker(): HTMLElement {
  const model = h('select', { id: 'model', change: () => choose({ model: model.value, provider: '' }) });
  const provider = h('select', { id: 'provider', change: () => choose({ provider: provider.value }) });
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
      ['', bestModel === null || bestModel === undefined ? 'best live offer' : (nameOf(bestModel, models) ?? bestModel)],
      ...models.map(({ name, offers }): readonly [string, string] => [name, `${name.replace(/\/([^/]*)$/, ' $1')} · ${plural(offers.length, 'provider')} · ${cheapest(offers)}`]),
    ]);
    const offers = models.filter(({ name }) => chosen === '' || name === chosen).flatMap((each) => each.offers);
    options(provider, from, [['', 'best provider'], ...offers.map(({ peer, offer }): readonly [string, string] => [peer.peer, describe(peer, offer)])]);
  };
  market.onChange(fill);
  fill();
  return h('div', { class: 'picker' }, h('div', {}, h('label', { for: 'model' }, 'Model'), model), h('div', {}, h('label', { for: 'provider' }, 'Answered by'), provider));
}

/** What people call the file with that digest. */
function nameOf(id: string, models: ReturnType<typeof offeredModels>): string | undefined {
  return models.find(({ offers }) => offers.some(({ offer }) => offer.id === id))?.name.replace(/\/([^/]*)$/, ' $1');
}

function cheapest(offers: readonly { readonly offer: Offer }[]): string {
  const [best] = offers.map(({ offer }) => offer).toSorted((a, b) => a.priceOut - b.priceOut);
  return best === undefined ? '' : price(best.priceIn, best.priceOut);
}

export function describe(peer: Peer, offer: Offer): string {
  const distance = peer.rttMs === null ? [] : [`${Math.round(peer.rttMs)} ms away`];
  return [shortPeer(peer.peer), peer.device, `${peer.tokensPerSecond} tok/s`, ...distance, price(offer.priceIn, offer.priceOut), recordWords(peer)].join(' · ');
}

/** What this person's node has seen of a peer. */
export function recordWords({ record }: Peer): string {
  if (!record.usable && record.reason !== null) return `not used: ${record.reason}`;
  const [served, verified, aborted] = [record.served, record.verified, record.aborted].map(Math.round) as [number, number, number];
  if (served + aborted === 0) return 'not asked yet';
  return [`${served} answered`, ...(verified > 0 ? [`${verified} verified`] : []), ...(aborted > 0 ? [`${aborted} broken off`] : [])].join(', ');
}

/** Fills a select without losing what is chosen; what is chosen and gone stays, named as such. */
function options(select: HTMLSelectElement, chosen: string, entries: readonly (readonly [string, string])[]): void {
  const all = chosen === '' || entries.some(([value]) => value === chosen) ? entries : [...entries, [chosen, `${shortPeer(chosen)} · not there now`] as const];
  const unchanged = select.options.length === all.length && all.every(([value, text], at) => select.options[at]?.value === value && select.options[at]?.text === text);
  if (!unchanged) select.replaceChildren(...all.map(([value, text]) => h('option', { value }, text)));
  select.value = chosen;
}
