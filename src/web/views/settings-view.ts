import { field, h } from '../dom.ts';
import { market } from '../market.ts';
import { type PageSettings, store } from '../store.ts';

type Key = keyof PageSettings;

/** Applies the chosen theme. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = store.settings.theme;
}

function set<K extends Key>(key: K, value: PageSettings[K]): void {
  store.changeSettings({ [key]: value });
  applyTheme();
}

function number(
  key: 'temperature' | 'maxTokens',
  attributes: Readonly<Record<string, string | number>>,
): HTMLInputElement {
  const input = h('input', {
    type: 'number',
    inputmode: 'decimal',
    ...attributes,
    value: store.settings[key],
    change: () => {
      if (input.validity.valid) set(key, input.value);
      else input.reportValidity();
    },
  });
  return input;
}

function choice<K extends 'verify' | 'refereeCount' | 'theme'>(
  key: K,
  entries: readonly (readonly [PageSettings[K], string])[],
): HTMLSelectElement {
  const select = h(
    'select',
    { change: () => set(key, select.value as PageSettings[K]) },
    ...entries.map(([value, text]) => h('option', { value, selected: store.settings[key] === value }, text)),
  );
  return select;
}

/**
 * This browser's settings, and the base URLs for other programs. @param cleared called after the history was cleared
 */
export function settingsView(cleared: () => void): HTMLElement {
  const temperature = number('temperature', { min: 0, max: 2, step: 0.01 });
  const maxTokens = number('maxTokens', { min: 1, max: 1_000_000, step: 1 });
  market.onChange(() => {
    const { state } = market.view;
    if (state === null) return;
    temperature.placeholder = String(state.defaults.temperature);
    maxTokens.placeholder = String(state.defaults.maxTokens);
  });
  const system = h('textarea', { rows: 3, change: () => set('system', system.value) }, store.settings.system);
  const seed = h('input', {
    type: 'text',
    inputmode: 'numeric',
    pattern: '[0-9]{0,20}',
    placeholder: 'random',
    value: store.settings.seed,
    change: () => (seed.validity.valid ? set('seed', seed.value) : seed.reportValidity()),
  });
  const verify = choice('verify', [
    ['', 'as far as this machine can'],
    ['full', 'recompute with the model'],
    ['sampling', 'without the model'],
    ['none', 'not at all'],
  ]);
  const refereeCount = choice('refereeCount', [
    ['1', '1, and 3 if it disagrees'],
    ['3', '3 at once'],
  ]);
  const theme = choice('theme', [
    ['auto', 'as the system'],
    ['light', 'light'],
    ['dark', 'dark'],
  ]);
  // Another tab may have changed them; a field that is being edited keeps what was typed.
  store.onChange(() => {
    const {
      temperature: heat,
      maxTokens: longest,
      system: message,
      seed: number,
      verify: depth,
      refereeCount: strangers,
      theme: look,
    } = store.settings;
    const controls = [
      [temperature, heat],
      [maxTokens, longest],
      [system, message],
      [seed, number],
      [verify, depth],
      [refereeCount, strangers],
      [theme, look],
    ] as const;
    for (const [control, value] of controls) if (control !== document.activeElement) control.value = value;
  });
  const clear = h(
    'button',
    {
      type: 'button',
      class: 'danger',
      click: () => {
        if (!confirm('Forget all conversations in this browser?')) return;
        store.clear();
        cleared();
      },
    },
    'Forget all conversations',
  );
  return h(
    'section',
    { class: 'settings', 'aria-labelledby': 'settings-title' },
    h('h2', { id: 'settings-title' }, 'Settings'),
    field('System message', system, 'Sent before every conversation.'),
    field('Temperature', temperature, '0 always picks the likeliest token; 2 is close to random.'),
    field('Longest answer, in tokens', maxTokens),
    field('Seed', seed, 'With the same number, the same model on the same kind of machine repeats its answer.'),
    field('Check answers', verify),
    field(
      'Referees',
      refereeCount,
      'Other providers that see prompt and answer and check it, if you turn that on above the conversation.',
    ),
    field('Colours', theme),
    h('h3', {}, 'This browser’s history'),
    h('p', {}, 'Conversations stay in this browser. The gateway keeps receipts in its home folder.'),
    clear,
    h('h3', {}, 'Use it from your programs'),
    h('p', {}, 'Change the base URL, nothing else:'),
    h(
      'dl',
      {},
      h('dt', {}, 'OpenAI clients'),
      h('dd', {}, h('code', {}, `${location.origin}/v1`)),
      h('dt', {}, 'Anthropic clients'),
      h('dd', {}, h('code', {}, location.origin)),
      h('dt', {}, 'Ollama clients'),
      h('dd', {}, h('code', {}, location.origin)),
    ),
  );
}
