import type { OpenedStep } from '../api.ts';
import { h, svg, uniqueId } from '../dom.ts';
import { plural, shortId } from '../labels.ts';
import { type Climbed, climb } from '../merkle.ts';

const rowHeight = 62;
const width = 460;

/** An opened step's path to the root, hashed here: a drawing, and the same in words. */
export function merkleView(jobId: string, step: OpenedStep, n: number, root: string): HTMLElement {
  const climbed = climb(jobId, step, n);
  const { leaf, levels, root: reached } = climbed;
  const same = reached === root;
  const words = same
    ? `Your browser hashed step ${step.i} from its token and ${plural(step.candidates.length, 'candidate')}, and ` +
      `with ${plural(levels.length, 'neighbour')} up to ${shortId(reached)}, the root that the provider signed.`
    : `Your browser reached ${shortId(reached)}, but the provider signed ${shortId(root)}.`;
  return h(
    'div',
    { class: `merkle ${same ? 'good' : 'bad'}` },
    h('p', {}, same ? '✓ ' : '✗ ', words),
    drawing(step, climbed, words),
    h(
      'details',
      {},
      h('summary', {}, 'All hashes'),
      h(
        'ol',
        { class: 'hashes' },
        h('li', {}, 'leaf ', h('code', {}, leaf)),
        ...levels.map(({ left, right, node, own }) =>
          h(
            'li',
            {},
            `with its ${own === 'left' ? 'right' : 'left'} neighbour `,
            h('code', {}, own === 'left' ? right : left),
            ' gives ',
            h('code', {}, node),
          ),
        ),
        h('li', {}, 'signed root ', h('code', {}, root)),
      ),
    ),
    draws(step),
  );
}

function drawing(step: OpenedStep, { levels, root: reached }: Climbed, words: string): SVGElement {
  const height = (levels.length + 1) * rowHeight;
  const title = uniqueId();
  const node = (x: number, y: number, hash: string, kind: string, label = ''): SVGElement =>
    svg(
      'g',
      { class: kind },
      svg('rect', { x: x - 66, y: y - 15, width: 132, height: 30, rx: 6 }),
      svg('text', { x, y: y + 5, 'text-anchor': 'middle' }, label === '' ? shortId(hash) : `${label} ${shortId(hash)}`),
    );
  const edge = (x1: number, y1: number, x2: number, y2: number, kind: string): SVGElement =>
    svg('path', { class: kind, d: `M${x1} ${y1 - 15}C${x1} ${y1 - 40} ${x2} ${y2 + 40} ${x2} ${y2 + 15}` });
  const parts: SVGElement[] = [];
  const middle = width / 2;
  let x = middle;
  levels.forEach(({ left, right, own }, at) => {
    const y = height - rowHeight / 2 - at * rowHeight;
    const [ownX, otherX] = own === 'left' ? [middle - 90, middle + 90] : [middle + 90, middle - 90];
    const upX = at + 1 === levels.length ? middle : levels[at + 1]?.own === 'left' ? middle - 90 : middle + 90;
    parts.push(edge(ownX, y, upX, y - rowHeight, 'edge own'), edge(otherX, y, upX, y - rowHeight, 'edge'));
    parts.push(node(otherX, y, own === 'left' ? right : left, 'other'));
    parts.push(
      node(ownX, y, own === 'left' ? left : right, at === 0 ? 'own leaf' : 'own', at === 0 ? `step ${step.i}` : ''),
    );
    x = upX;
  });
  parts.push(node(x, rowHeight / 2, reached, 'own root', 'root'));
  return svg(
    'svg',
    { class: 'tree', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': title },
    svg('title', { id: title }, words),
    ...parts,
  );
}

/** The committed candidates and the position of the seed's draw among them. */
function draws({ i, token, draw, candidates }: OpenedStep): HTMLElement {
  let before = 0;
  const bars = candidates.map(({ id, share }) => {
    const bar = svg(
      'rect',
      {
        x: before * 1_000,
        y: 0,
        width: Math.max(0, share * 1_000 - 1),
        height: 22,
        class: id === token ? 'drawn' : 'candidate',
      },
      svg('title', {}, `token ${id}: ${(share * 100).toFixed(1)} %`),
    );
    before += share;
    return bar;
  });
  const words =
    `At step ${i} your seed’s draw fell ${(draw * 100).toFixed(2)} % of the way through the ` +
    `${candidates.length} committed candidates, on token ${token}.`;
  return h(
    'div',
    { class: 'draws' },
    h('p', {}, words),
    svg(
      'svg',
      { viewBox: '0 -8 1000 38', role: 'img', 'aria-label': words, preserveAspectRatio: 'none' },
      ...bars,
      svg('path', { class: 'pointer', d: `M${draw * 1_000} -8V30` }),
    ),
  );
}
