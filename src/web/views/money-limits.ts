import { field, h } from '../dom.ts';
import { defaultDeposit } from '../price-limit.ts';
import { type PageSettings, store } from '../store.ts';

function amount(key: 'maxPrice' | 'maxDeposit', placeholder: string): HTMLInputElement {
  const input = h('input', {
    type: 'text',
    inputmode: 'decimal',
    pattern: '[0-9]{0,9}([.][0-9]{0,9})?',
    placeholder,
    value: store.settings[key],
    change: () => {
      if (input.reportValidity()) store.changeSettings({ [key]: input.value });
    },
  });
  return input;
}

/** How the connected wallet pays, and the most that this person spends. */
export function moneyLimits(): readonly Node[] {
  const price = amount('maxPrice', '0');
  const deposit = amount('maxDeposit', defaultDeposit);
  const pay = h(
    'select',
    { change: () => store.changeSettings({ pay: pay.value as PageSettings['pay'] }) },
    h('option', { value: 'auto' }, 'from a channel with a provider that I come back to'),
    h('option', { value: 'channel' }, 'always from a channel'),
    h('option', { value: 'job' }, 'each answer by itself'),
  );
  const show = (): void => {
    // Another tab may have changed them; a field that is being edited keeps what was typed.
    for (const [control, value] of [
      [price, store.settings.maxPrice],
      [deposit, store.settings.maxDeposit],
      [pay, store.settings.pay],
    ] as const)
      if (control !== document.activeElement) control.value = value;
  };
  show();
  store.onChange(show);
  return [
    h('h3', {}, 'How you pay'),
    field(
      'Your wallet pays',
      pay,
      'A channel is a deposit for many answers of one provider: you sign once when it opens, and what is not spent ' +
        'comes back. By itself, each answer needs a signature.',
    ),
    h('h3', {}, 'Limits'),
    field(
      'The most that one answer may cost you, in SOL',
      price,
      'This page never signs a payment above it. Empty or 0 uses free providers only. You pay providers ' +
        'directly; through a router, the router pays.',
    ),
    field(
      'The most that one channel may hold, in SOL',
      deposit,
      `This page never signs a larger deposit. Empty means ${defaultDeposit} SOL.`,
    ),
  ];
}
