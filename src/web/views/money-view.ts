import { field, h } from '../dom.ts';
import { store } from '../store.ts';
import { wallets, type WalletJob, type WalletOverview } from '../wallet.ts';
import { shortId, shortPeer, sol, when } from '../words.ts';

/** The wallet, what it holds, and where the money is that it locked. */
export function moneyView(): { readonly element: HTMLElement; show(): void } {
  const body = h('div', {});
  const problem = h('p', { class: 'error', role: 'alert' });
  const guarded = (work: Promise<void>): void => {
    problem.textContent = '';
    work.catch((error: unknown) => (problem.textContent = error instanceof Error ? error.message : String(error)));
  };
  const limit = h('input', {
    type: 'text',
    inputmode: 'decimal',
    pattern: '[0-9]{0,9}([.][0-9]{0,9})?',
    placeholder: '0',
    value: store.settings.maxPrice,
    change: () => {
      if (!limit.reportValidity()) return;
      store.settings.maxPrice = limit.value;
      store.saveSettings();
    },
  });
  const fill = (): void => {
    const { account, overview, found } = wallets;
    if (account === null) {
      const choices = found.map((wallet) => h('button', { type: 'button', class: 'primary', click: () => guarded(wallets.connect(wallet)) }, `Connect ${wallet.name}`));
      body.replaceChildren(h('p', {}, found.length === 0 ? 'No wallet was found in this browser. Free providers answer without one; the gateway’s own wallet pays within the limit of its operator.' : 'With a wallet you pay yourself, one signature a question. Its keys stay in it.'), h('div', { class: 'row' }, ...choices));
      return;
    }
    body.replaceChildren(
      h('dl', {}, h('dt', {}, 'Wallet'), h('dd', {}, account.address), h('dt', {}, 'Holds'), h('dd', {}, overview === null ? '…' : sol(BigInt(overview.balance))), h('dt', {}, 'Chain'), h('dd', {}, overview?.walletChain ?? '…')),
      h('div', { class: 'row' }, h('button', { type: 'button', click: () => guarded(wallets.refresh()) }, 'Look again'), h('button', { type: 'button', class: 'quiet', click: () => wallets.disconnect() }, 'Disconnect')),
      h('h3', {}, 'Where your money is'),
      overview === null || overview.jobs.length === 0 ? h('p', {}, 'Nothing of yours is locked.') : table(overview),
    );
  };
  wallets.onChange(fill);
  fill();
  const element = h('section', { 'aria-labelledby': 'money-title' }, h('h2', { id: 'money-title' }, 'Money'), problem, body, h('h3', {}, 'Limit'), field('The most that one answer may cost you, in SOL', limit, 'Without a limit above 0 only free providers are asked.'));
  return { element, show: () => guarded(wallets.refresh()) };
}

function table({ jobs, now }: WalletOverview): HTMLElement {
  const rows = jobs.map((job) => h('tr', {}, h('th', { scope: 'row' }, shortId(job.job)), h('td', {}, sol(BigInt(job.amount))), h('td', {}, shortPeer(job.payee)), h('td', {}, when(job.createdAt)), h('td', { class: 'wrap' }, nextOf(job, now))));
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Jobs that are not settled' }, h('table', {}, h('thead', {}, h('tr', {}, ...['Job', 'Locked', 'For', 'Since', 'What happens next'].map((name) => h('th', { scope: 'col' }, name)))), h('tbody', {}, ...rows)));
}

function nextOf({ refundAt, submitted }: WalletJob, now: number): string {
  const inSeconds = (until: number): string => (until <= now ? 'now' : `in ${Math.ceil((until - now) / 1_000)} s`);
  if (submitted === null) return `comes back ${inSeconds(refundAt)}, where no answer is submitted (qvac jobs refund)`;
  return `the provider is paid ${sol(BigInt(submitted.payout))} ${inSeconds(submitted.claimAt)}; the rest comes back`;
}

/** The limit in lamports. */
export function maxPriceLamports(): number {
  const [whole = '0', fraction = ''] = store.settings.maxPrice.split('.');
  const lamports = BigInt(whole === '' ? '0' : whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9) || '0');
  return Number(lamports < BigInt(Number.MAX_SAFE_INTEGER) ? lamports : BigInt(Number.MAX_SAFE_INTEGER));
}
