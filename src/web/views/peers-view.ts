import { shortPeer } from '../../lib/names.ts';
import type { PeerSummary } from '../api.ts';
import { dataTable, h, replace, svg } from '../dom.ts';
import { plural, price, safeName } from '../labels.ts';
import { market } from '../market.ts';
import { recordLabel } from './picker.ts';

const size = 420;
const middle = size / 2;
const nearest = 52;
const farthest = 186;
/** With more peers, labels would overlap; the table lists them all. */
const maxNamed = 24;
/** The golden angle: successive peers never share a direction. */
const turn = Math.PI * (3 - Math.sqrt(5));

/** The peers: a map by round-trip time, and a table with the same content. */
export function peersView(): HTMLElement {
  const map = h('div', { class: 'map' });
  const list = h('div', {});
  const heading = h('p', { role: 'status' });
  const legend = h(
    'p',
    { class: 'hint legend' },
    svg(
      'svg',
      { viewBox: '0 0 20 20', 'aria-hidden': true, class: 'peer provider' },
      svg('circle', { cx: 10, cy: 10, r: 8 }),
    ),
    'provider',
    svg(
      'svg',
      { viewBox: '0 0 20 20', 'aria-hidden': true, class: 'peer router' },
      svg('rect', { x: 3, y: 3, width: 14, height: 14, rx: 3 }),
    ),
    'router',
    svg(
      'svg',
      { viewBox: '0 0 20 20', 'aria-hidden': true, class: 'peer bad' },
      svg('circle', { cx: 10, cy: 10, r: 8 }),
    ),
    'not used, because of its record',
  );
  const places = new Map<string, number>();
  let drawn = '';
  const fill = (): void => {
    const { peers, state, unavailable } = market.view;
    heading.textContent =
      unavailable === 'gone'
        ? 'Peers are unknown while the gateway is unreachable.'
        : headingOf(peers.length, state?.network);
    legend.hidden = peers.length === 0;
    // Unchanged content is not redrawn, so that a reader keeps their place.
    const now = JSON.stringify(peers);
    if (now === drawn) return;
    drawn = now;
    const fresh = new Set(peers.map(({ peer }) => peer).filter((peer) => !places.has(peer)));
    for (const peer of fresh) places.set(peer, places.size);
    map.replaceChildren(drawing(peers, places, fresh));
    replace(list, peers.length === 0 ? null : table(peers));
  };
  market.onChange(fill);
  fill();
  return h(
    'section',
    { class: 'peers', 'aria-labelledby': 'peers-title' },
    h('h2', { id: 'peers-title' }, 'Peers'),
    heading,
    map,
    legend,
    list,
  );
}

function headingOf(count: number, network = ''): string {
  if (count === 0)
    return (
      `No peers found yet on the network “${network}”; still searching. To offer a model yourself: qvac serve ` +
      '--model NAME.'
    );
  return `${plural(count, 'peer')} on the network “${network}”. Closer to the centre means a shorter round trip.`;
}

/** From 0 at 1 ms or less to 1 at a second. */
function farness({ rttMs }: PeerSummary): number {
  return rttMs === null ? 1 : Math.min(1, Math.max(0, Math.log10(Math.max(1, rttMs)) / 3));
}

function drawing(
  peers: readonly PeerSummary[],
  places: ReadonlyMap<string, number>,
  fresh: ReadonlySet<string>,
): SVGElement {
  const radius = (part: number): number => nearest + part * (farthest - nearest);
  const rings = [1 / 3, 2 / 3, 1].flatMap((part, at) => [
    svg('circle', { class: 'ring', cx: middle, cy: middle, r: radius(part) }),
    svg('text', { class: 'ring-label', x: middle, y: middle - radius(part) - 4 }, ['10 ms', '100 ms', '1 s'][at] ?? ''),
  ]);
  const dots = peers.map((peer) => {
    const angle = (places.get(peer.peer) ?? 0) * turn + 0.6;
    const [x, y] = [middle + Math.cos(angle) * radius(farness(peer)), middle + Math.sin(angle) * radius(farness(peer))];
    const kind = `peer ${peer.role}${peer.record.usable ? '' : ' bad'}${fresh.has(peer.peer) ? ' fresh' : ''}`;
    const mark =
      peer.role === 'router'
        ? svg('rect', { x: x - 8, y: y - 8, width: 16, height: 16, rx: 3 })
        : svg('circle', { cx: x, cy: y, r: 9 });
    const name =
      peers.length > maxNamed
        ? null
        : svg(
            'text',
            { x, y: y + (y < middle ? -14 : 22), 'text-anchor': x < 60 ? 'start' : x > size - 60 ? 'end' : 'middle' },
            shortPeer(peer.peer),
          );
    return svg(
      'g',
      { class: kind },
      svg('path', { class: 'link', d: `M${middle} ${middle}L${x} ${y}` }),
      mark,
      name,
      svg('title', {}, `${peer.role} ${peer.peer}`),
    );
  });
  return svg(
    'svg',
    {
      viewBox: `0 0 ${size} ${size}`,
      role: 'img',
      'aria-label': `Map of ${plural(peers.length, 'peer')}; the table below has the same content`,
    },
    ...rings,
    ...dots,
    svg('circle', { class: 'self', cx: middle, cy: middle, r: 12 }),
    svg('text', { class: 'self-label', x: middle, y: middle + 27, 'text-anchor': 'middle' }, 'you'),
  );
}

function table(peers: readonly PeerSummary[]): HTMLElement {
  const rows = peers.map((peer) => {
    const models = peer.models.map(({ name, quant, priceIn, priceOut }) =>
      h(
        'div',
        {},
        h('bdi', { title: name }, safeName(`${name} ${quant}`)),
        peer.role === 'router' ? '' : ` · ${price(priceIn, priceOut)}`,
      ),
    );
    return {
      heading: h('code', { title: peer.peer }, shortPeer(peer.peer)),
      cells: [
        peer.role,
        h('div', {}, ...models),
        peer.role === 'router' ? '–' : String(peer.tokensPerSecond),
        peer.rttMs === null ? '–' : `${Math.round(peer.rttMs)} ms`,
        h('bdi', {}, safeName(peer.device)),
        [recordLabel(peer), 'wrap'],
      ] as const,
    };
  });
  return dataTable('Table of peers', ['Peer', 'Role', 'Models', 'Tok/s', 'Round trip', 'Machine', 'Record'], rows);
}
