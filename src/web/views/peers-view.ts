import type { Peer } from '../api.ts';
import { h, svg } from '../dom.ts';
import { market } from '../market.ts';
import { recordWords } from './picker.ts';
import { plural, price, shortPeer } from '../words.ts';

const size = 420;
const middle = size / 2;

/** Who is there: a map by distance, and a table that says the same. */
export function peersView(): HTMLElement {
  const map = h('div', { class: 'map' });
  const list = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table of peers' });
  const heading = h('p', { role: 'status' });
  const fill = (): void => {
    const { peers, state } = market.view;
    heading.textContent = peers.length === 0 ? `Nobody was found yet on the network “${state?.network ?? ''}”.` : `${plural(peers.length, 'peer')} on the network “${state?.network ?? ''}”. The nearer to the middle, the shorter the round trip.`;
    map.replaceChildren(drawing(peers));
    list.replaceChildren(table(peers));
  };
  market.onChange(fill);
  fill();
  return h('section', { class: 'peers', 'aria-labelledby': 'peers-title' }, h('h2', { id: 'peers-title' }, 'Peers'), heading, map, list);
}

/** From 0 at 1 ms or less to 1 at a second. */
function farness({ rttMs }: Peer): number {
  return rttMs === null ? 1 : Math.min(1, Math.max(0, Math.log10(Math.max(1, rttMs)) / 3));
}

/** A direction that stays the same for the same peer. */
function angleOf({ peer }: Peer): number {
  let hash = 0;
  for (const character of peer) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return (hash / 2 ** 32) * 2 * Math.PI;
}

function drawing(peers: readonly Peer[]): SVGElement {
  const rings = [0.33, 0.66, 1].map((part, at) => [svg('circle', { class: 'ring', cx: middle, cy: middle, r: 40 + part * 150 }), svg('text', { class: 'ring-label', x: middle, y: middle - 44 - part * 150 }, ['10 ms', '100 ms', '1 s'][at] ?? '')]).flat();
  const dots = peers.map((peer) => {
    const distance = 40 + farness(peer) * 150;
    const [x, y] = [middle + Math.cos(angleOf(peer)) * distance, middle + Math.sin(angleOf(peer)) * distance];
    const good = peer.record.usable ? '' : ' bad';
    const mark = peer.role === 'router' ? svg('rect', { x: x - 9, y: y - 9, width: 18, height: 18, rx: 3 }) : svg('circle', { cx: x, cy: y, r: 10 });
    return svg('g', { class: `peer ${peer.role}${good}` }, svg('path', { class: 'link', d: `M${middle} ${middle}L${x} ${y}` }), mark, svg('text', { x, y: y + 24, 'text-anchor': 'middle' }, shortPeer(peer.peer)), svg('title', {}, `${peer.role} ${peer.peer}`));
  });
  return svg('svg', { viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': 'Map of the peers; the table below says the same' }, ...rings, ...dots, svg('circle', { class: 'self', cx: middle, cy: middle, r: 13 }), svg('text', { class: 'self-label', x: middle, y: middle + 30, 'text-anchor': 'middle' }, 'you'));
}

function table(peers: readonly Peer[]): HTMLElement {
  const rows = peers.map((peer) => {
    const models = peer.models.map(({ name, quant, priceIn, priceOut }) => h('div', {}, `${name} ${quant}${peer.role === 'router' ? '' : ` · ${price(priceIn, priceOut)}`}`));
    return h('tr', {}, h('th', { scope: 'row' }, h('code', { title: peer.peer }, shortPeer(peer.peer))), h('td', {}, peer.role), h('td', {}, models), h('td', {}, peer.role === 'router' ? '–' : String(peer.tokensPerSecond)), h('td', {}, peer.rttMs === null ? '–' : `${Math.round(peer.rttMs)} ms`), h('td', {}, peer.device), h('td', {}, recordWords(peer)));
  });
  return h('table', {}, h('thead', {}, h('tr', {}, ...['Peer', 'Role', 'Models', 'Tok/s', 'Round trip', 'Machine', 'Seen by you'].map((name) => h('th', { scope: 'col' }, name)))), h('tbody', {}, ...rows));
}
