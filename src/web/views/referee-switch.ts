import { h } from '../dom.ts';
import { market } from '../market.ts';
import { refereesAsked, refereesWords } from '../referees.ts';
import { store } from '../store.ts';

/** Whether strangers may see prompts and answers to check them; the line says how many, and at what price. */
export function refereeSwitch(): HTMLElement {
  const words = h('span', {});
  const box = h('input', {
    type: 'checkbox',
    id: 'referees',
    change: () => {
      store.changeSettings({ referees: box.checked ? 'yes' : 'no' });
      fill();
    },
  });
  const fill = (): void => {
    const { verify } = store.settings;
    box.checked = refereesAsked() > 0;
    box.disabled = verify === 'none' || verify === 'sampling';
    words.textContent = refereesWords();
  };
  market.onChange(fill);
  store.onChange(fill);
  fill();
  return h('label', { class: 'switch', for: 'referees' }, box, words);
}
