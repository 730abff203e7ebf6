import { messageOf } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import { getReceipts } from '../api.ts';
import { dataTable, h, replace } from '../dom.ts';
import { costLabel, plural, shortId, statusLabels, when } from '../labels.ts';
import { openReceipt } from './receipt-view.ts';

/** Every receipt in this home, newest first. */
export function receiptsView(): { readonly element: HTMLElement; show(): void } {
  const list = h('div', {});
  const status = h('p', { role: 'status' });
  async function fill(): Promise<void> {
    try {
      const receipts = await getReceipts();
      status.textContent =
        receipts.length === 0
          ? 'No receipts yet. Every answer adds one.'
          : `${plural(receipts.length, 'receipt')}, including those of qvac ask and qvac chat.`;
      const rows = receipts.map(({ id, askedAt, provider, model, tokens, vectors, verified, payment }) => {
        const words = statusLabels[verified];
        const open = h(
          'button',
          {
            type: 'button',
            class: 'link',
            'aria-haspopup': 'dialog',
            'aria-label': `Receipt ${shortId(id)}`,
            click: () => void openReceipt(id),
          },
          shortId(id),
        );
        return {
          heading: open,
          cells: [
            when(askedAt),
            shortPeer(provider),
            h('code', { title: model }, shortId(model)),
            vectors === null ? String(tokens) : plural(vectors, 'vector'),
            [costLabel({ payment }), 'wrap'],
            [`${words.mark} ${words.short}`, words.tone],
          ] as const,
        };
      });
      replace(
        list,
        rows.length === 0
          ? null
          : dataTable(
              'Table of receipts',
              ['Receipt', 'Asked', 'Answered by', 'Model', 'Tokens', 'Paid', 'Checked'],
              rows,
            ),
      );
    } catch (error) {
      status.textContent = messageOf(error);
    }
  }
  const element = h(
    'section',
    { 'aria-labelledby': 'receipts-title' },
    h('h2', { id: 'receipts-title' }, 'Receipts'),
    status,
    list,
  );
  return { element, show: () => void fill() };
}
