import { getReceipts } from '../api.ts';
import { h } from '../dom.ts';
import { openReceipt } from './receipt-view.ts';
import { moneyWords, plural, shortId, shortPeer, verifiedWords, when } from '../words.ts';

/** Every answer of which this home keeps a receipt, the newest first. */
export function receiptsView(): { readonly element: HTMLElement; show(): void } {
  const list = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table of receipts' });
  const status = h('p', { role: 'status' });
  async function fill(): Promise<void> {
    try {
      const receipts = await getReceipts();
      status.textContent = receipts.length === 0 ? 'No receipts yet. Ask something: each answer leaves one here.' : `${plural(receipts.length, 'receipt')}, also of what was asked from the terminal.`;
      const rows = receipts.map(({ id, askedAt, provider, model, tokens, verified, payment }) => {
        const words = verifiedWords[verified];
        return h('tr', {}, h('th', { scope: 'row' }, h('button', { type: 'button', class: 'link', 'aria-haspopup': 'dialog', click: () => void openReceipt(id) }, shortId(id))), h('td', {}, when(askedAt)), h('td', {}, shortPeer(provider)), h('td', {}, h('code', { title: model }, shortId(model))), h('td', {}, String(tokens)), h('td', { class: 'wrap' }, moneyWords({ payment })), h('td', { class: words.tone }, `${words.mark} ${words.short}`));
      });
      list.replaceChildren(h('table', {}, h('thead', {}, h('tr', {}, ...['Receipt', 'Asked', 'Answered by', 'Model', 'Tokens', 'Paid', 'Checked'].map((name) => h('th', { scope: 'col' }, name)))), h('tbody', {}, ...rows)));
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : String(error);
    }
  }
  const element = h('section', { 'aria-labelledby': 'receipts-title' }, h('h2', { id: 'receipts-title' }, 'Receipts'), status, list);
  return { element, show: () => void fill() };
}
