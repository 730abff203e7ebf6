import { h } from '../dom.ts';
import { market } from '../market.ts';
import { session } from '../session.ts';

/** What stands in the way of asking, at the top of the page; nothing where nothing does. */
export function banner(): HTMLElement {
  const element = h('div', { class: 'banner', role: 'status' });
  let shown: string | null = null;
  const fill = (): void => {
    const { trouble, state } = market.view;
    const kind = trouble ?? (state?.notReady == null ? null : `waiting: ${state.notReady}`);
    // What is being typed into the field is not to be taken away.
    if (kind === shown) return;
    shown = kind;
    element.replaceChildren(
      ...(kind === null
        ? []
        : kind === 'gone'
          ? [h('p', {}, 'The gateway does not answer. Trying again …')]
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
    session.set(input.value.trim().replace(/^.*#token=/, ''));
    void market.refresh();
  };
  return h(
    'form',
    { submit },
    h(
      'label',
      { for: 'token' },
      'Open the link that qvac gateway printed, or paste it here. It holds the token of this run, which keeps other pages from asking in your name.',
    ),
    h('div', { class: 'row' }, input, h('button', { type: 'submit', class: 'primary' }, 'Unlock')),
  );
}
