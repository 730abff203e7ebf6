import { h } from '../dom.ts';
import { openReceipt } from './receipt-view.ts';
import type { Trust } from '../store.ts';
import { plural, shortId, shortPeer, sol, verifiedWords } from '../words.ts';

/** The line under an answer: who, how much, how far checked. It opens the receipt. */
export function trustLine(trust: Trust): HTMLElement {
  const words = verifiedWords[trust.verified];
  const parts = [
    plural(trust.tokens, 'token'),
    ...(trust.tokensPerSecond === null ? [] : [`${trust.tokensPerSecond < 9.95 ? trust.tokensPerSecond.toFixed(1) : Math.round(trust.tokensPerSecond)} tok/s`]),
    shortPeer(trust.provider),
    trust.model,
    trust.cost === '0' ? 'free' : sol(BigInt(trust.cost)),
  ];
  return h(
    'button',
    { class: `trust ${words.tone}`, type: 'button', 'aria-haspopup': 'dialog', click: () => void openReceipt(trust.receipt) },
    h('span', { class: 'mark', 'aria-hidden': true }, words.mark),
    h('span', {}, h('strong', {}, words.short), ` · ${parts.join(' · ')} · `, h('span', { class: 'link' }, `receipt ${shortId(trust.receipt)}`)),
  );
}
