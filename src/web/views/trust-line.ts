import { shortPeer } from '../../lib/names.ts';
import type { Trust, Turn } from '../conversation.ts';
import { h } from '../dom.ts';
import { plural, providersWords, safeName, shortId, sol, statusLabels } from '../labels.ts';
import { openReceipt } from './receipt-view.ts';

/** The line under an answer: provider, cost and verification status. It opens the receipt. */
export function trustLine(trust: Trust): HTMLElement {
  const words = statusLabels[trust.verified];
  const parts = [
    plural(trust.tokens, 'token'),
    ...(trust.tokensPerSecond === null
      ? []
      : [
          `${trust.tokensPerSecond < 9.95 ? trust.tokensPerSecond.toFixed(1) : Math.round(trust.tokensPerSecond)} ` +
            'tok/s',
        ]),
    providersWords(trust.earlier ?? [], trust.provider) +
      (trust.router == null ? '' : ` through ${shortPeer(trust.router)}`),
  ];
  return h(
    'button',
    {
      class: `trust ${words.tone}`,
      type: 'button',
      'data-receipt': trust.receipt,
      'aria-haspopup': 'dialog',
      click: () => void openReceipt(trust.receipt),
    },
    h('span', { class: 'mark', 'aria-hidden': true }, words.mark),
    h(
      'span',
      {},
      h('strong', {}, `${words.short}${byReferees(trust)}`),
      ` · ${parts.join(' · ')} · `,
      h('bdi', {}, safeName(trust.model)),
      ` · ${costOf(trust)} · `,
      h('span', { class: 'link' }, `receipt ${shortId(trust.receipt)}`),
    ),
  );
}

/** Takes the place of the trust line until there is a receipt, so that no text of the answer can stand there. */
export function waitingLine({ provider, model }: NonNullable<Turn['by']>, over: boolean): HTMLElement {
  return h(
    'p',
    { class: 'not-yet' },
    h('span', { class: 'mark', 'aria-hidden': true }, over ? '–' : '…'),
    h(
      'span',
      {},
      h('strong', {}, over ? 'not checked' : 'answering, not verified yet'),
      ` · ${shortPeer(provider)} · `,
      h('bdi', {}, safeName(model)),
    ),
  );
}

function byReferees({ referees = 0 }: Trust): string {
  return referees === 0 ? '' : ` by ${plural(referees, 'referee')}`;
}

function costOf({ cost, paidBy }: Trust): string {
  if (cost === '0') return 'free';
  return `${sol(BigInt(cost))}${paidBy === 'channel' ? ' from the channel' : ''}`;
}
