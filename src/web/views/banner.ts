import { h } from '../dom.ts';
import { market } from '../market.ts';
import { session } from '../session.ts';

/** The notice at the top of the page while the gateway cannot be used; empty otherwise. */
export function banner(): HTMLElement {
  const element = h('div', { class: 'banner', role: 'status' });
  let shown: string | null = null;
  const fill = (): void => {
    const { unavailable, state } = market.view;
    const kind = unavailable ?? (state?.notReady == null ? null : `waiting: ${state.notReady}`);
    // A redraw would clear the field while the person types.
    if (kind === shown) return;
    shown = kind;
    element.replaceChildren(
      ...(kind === null
        ? []
        : kind === 'gone'
          ? [h('p', {}, 'The gateway does not respond. Retrying…')]
          : kind === 'locked'
            ? [locked()]
            : [h('p', {}, `Not ready: ${state?.notReady ?? ''}.`)]),
    );
  };
  market.onChange(fill);
  return element;
}

function locked(): HTMLElement {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true });
  const submit = (event: Event): void => {
    event.preventDefault();
    session.offer(input.value.trim().replace(/^.*#token=/, ''));
    void market.refresh();
  };
  return h(
    'form',
    { submit },
    h(
      'label',
      { for: 'token' },
      'Open the link that qvac gateway printed, or paste it here. Its token keeps other pages from using this ' +
        'gateway in your name.',
    ),
    h('div', { class: 'row' }, input, h('button', { type: 'submit', class: 'primary' }, 'Unlock')),
  );
}
