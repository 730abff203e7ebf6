import type { Turn } from '../conversation.ts';
import { h } from '../dom.ts';
import { errorTextOf } from '../error-texts.ts';
import { statusLabels } from '../labels.ts';

/** The most characters of an answer that a screen reader announces; the rest is in the conversation. */
const maxAnnounced = 1_000;

/** An answer for a screen reader: its text and verification status, or the error. */
export function spoken({ content, trust, error }: Turn): string {
  const text =
    content.length <= maxAnnounced ? content : `${content.slice(0, maxAnnounced)} … The rest is in the conversation.`;
  if (trust !== undefined) return `Answer: ${text} ${statusLabels[trust.verified].short}.`;
  const { words, next } = errorTextOf(error?.code ?? 'LEFT', error?.message ?? '');
  return `${text} ${words} ${next}`;
}

/** What an empty conversation shows. */
export function welcome(): HTMLElement {
  return h(
    'div',
    { class: 'welcome' },
    h(
      'p',
      {},
      h('strong', {}, 'Use an open model on someone else’s computer, and check that the answer really came from it.'),
    ),
    h(
      'p',
      {},
      'The line under each answer shows its provider, its cost and how far it was verified. Click it to open the ' +
        'receipt.',
    ),
  );
}
