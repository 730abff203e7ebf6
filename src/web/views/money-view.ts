import { messageOf } from '../../errors.ts';
import { GatewayError } from '../api.ts';
import { dataTable, field, h, replace } from '../dom.ts';
import { market } from '../market.ts';
import { store } from '../store.ts';
import {
  actOnJob,
  getWallet,
  type JobAction,
  ownWallet,
  type StandardWallet,
  type WalletJob,
  type WalletOverview,
  wallets,
} from '../wallet.ts';
import { shortId, shortPeer, sol, when } from '../words.ts';
import { openReceipt } from './receipt-view.ts';

/** Who pays: a wallet of this browser or the gateway's own; what it holds, and where the money is that it locked. */
export class MoneyView {
  readonly element: HTMLElement;
  readonly #body = h('div', {});
  readonly #own = h('div', {});
  readonly #problem = h('p', { class: 'error', role: 'alert' });
  readonly #status = h('p', { class: 'visually-hidden', role: 'status' });
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Jobs whose money is being moved. */
  readonly #acting = new Set<string>();
  #ownOverview: WalletOverview | null = null;

  constructor() {
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
    this.element = h(
      'section',
      { 'aria-labelledby': 'money-title' },
      h('h2', { id: 'money-title' }, 'Money'),
      this.#problem,
      this.#status,
      this.#body,
      h('h3', {}, 'Limit'),
      field(
        'The most that one answer may cost you, in SOL',
        limit,
        'With a wallet of this browser, nothing above it is ever signed; empty or 0 asks free providers alone. You pay providers directly: through a router, the router pays.',
      ),
      this.#own,
    );
    wallets.onChange(() => this.#fill());
    this.#fill();
  }

  show(): void {
    this.#guarded(this.#refresh());
    clearInterval(this.#timer);
    // While it is looked at: seconds run, and money moves by itself.
    this.#timer = setInterval(() => {
      if (this.element.hidden || document.hidden) return;
      this.#refresh().catch(() => undefined);
    }, 5_000);
  }

  #guarded(work: Promise<unknown>): void {
    this.#problem.textContent = '';
    work.catch((error: unknown) => (this.#problem.textContent = messageOf(error)));
  }

  async #refresh(): Promise<void> {
    await Promise.all([wallets.refresh(), this.#lookAtOwn()]);
  }

  /** The gateway's own wallet is opened only where it may be spent from: opening it may start a chain. */
  async #lookAtOwn(): Promise<void> {
    const { state } = market.view;
    try {
      this.#ownOverview = (state?.defaults.maxPrice ?? 0) > 0 ? await getWallet(ownWallet) : null;
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 404) throw error;
      this.#ownOverview = null;
    }
    this.#fillOwn();
  }

  #fill(): void {
    const { account, overview, found, wallet } = wallets;
    if (account === null || wallet === null) {
      const none =
        'No wallet was found in this browser. Free providers answer without one. To pay with a wallet of your own, install one that knows Solana (Phantom, for one) and reload this page.';
      replace(
        this.#body,
        h(
          'p',
          {},
          found.length === 0 ? none : 'With a wallet you pay yourself, one signature a question. Its keys stay in it.',
        ),
        h('div', { class: 'row' }, ...found.map((each) => this.#connectButton(each))),
      );
      return;
    }
    const unfit = wallets.unfit;
    replace(
      this.#body,
      h(
        'dl',
        {},
        h('dt', {}, wallet.name),
        h('dd', {}, account.address),
        h('dt', {}, 'Holds'),
        h('dd', {}, overview === null ? '…' : sol(BigInt(overview.balance))),
        h('dt', {}, 'Chain'),
        h('dd', {}, overview?.walletChain ?? '…'),
      ),
      unfit === null ? null : h('p', { class: 'error' }, unfit),
      h(
        'div',
        { class: 'row' },
        h('button', { type: 'button', id: 'look-again', click: () => this.#guarded(this.#refresh()) }, 'Look again'),
        h(
          'button',
          { type: 'button', id: 'disconnect', class: 'quiet', click: () => wallets.disconnect() },
          'Disconnect',
        ),
      ),
      h('h3', {}, 'Where your money is'),
      overview === null
        ? h('p', {}, 'Looking …')
        : this.#table(overview, account.address, 'Jobs of your wallet that are not settled'),
    );
  }

  #connectButton(wallet: StandardWallet): HTMLElement {
    // Of a wallet's picture only one that it brings along: nothing is loaded from elsewhere.
    const icon = wallet.icon.startsWith('data:image/')
      ? h('img', { src: wallet.icon, alt: '', width: 20, height: 20 })
      : null;
    return h(
      'button',
      { type: 'button', class: 'primary', click: () => this.#guarded(wallets.connect(wallet)) },
      icon,
      `Connect ${wallet.name.slice(0, 40)}`,
    );
  }

  #fillOwn(): void {
    const overview = this.#ownOverview;
    const most = market.view.state?.defaults.maxPrice ?? 0;
    if (overview === null) return replace(this.#own);
    replace(
      this.#own,
      h('h3', {}, 'The gateway’s own wallet'),
      h('p', {}, `Where no wallet is connected here, it pays up to ${sol(most)} an answer, and asks you before each.`),
      h(
        'dl',
        {},
        h('dt', {}, 'Address'),
        h('dd', {}, overview.address),
        h('dt', {}, 'Holds'),
        h('dd', {}, sol(BigInt(overview.balance))),
      ),
      this.#table(overview, ownWallet, 'Jobs of the gateway’s wallet that are not settled'),
    );
  }

  #table({ jobs, now }: WalletOverview, address: string, name: string): HTMLElement {
    if (jobs.length === 0) return h('p', {}, 'Nothing is locked: all answers are settled.');
    const rows = jobs.map((job) => {
      const { words, actions } = nextOf(job, now);
      const buttons = actions.map(([action, text]) =>
        h(
          'button',
          {
            type: 'button',
            id: `${action}-${job.job.slice(0, 12)}`,
            disabled: this.#acting.has(job.job),
            click: () => this.#act(address, job.job, action),
          },
          text,
        ),
      );
      const id = h(
        'button',
        {
          type: 'button',
          class: 'link',
          id: `receipt-${job.job.slice(0, 12)}`,
          'aria-haspopup': 'dialog',
          'aria-label': `Receipt ${shortId(job.job)}`,
          click: () => void openReceipt(job.job),
        },
        shortId(job.job),
      );
      const next = h('div', {}, words, buttons.length === 0 ? null : h('div', { class: 'row' }, ...buttons));
      return {
        heading: id,
        cells: [sol(BigInt(job.amount)), shortPeer(job.provider), when(job.createdAt), [next, 'wrap']] as const,
      };
    });
    return dataTable(name, ['Job', 'Locked', 'For', 'Since', 'What happens next'], rows);
  }

  #act(address: string, job: string, action: JobAction): void {
    this.#acting.add(job);
    this.#fill();
    this.#fillOwn();
    const work = actOnJob(address, job, action)
      .finally(() => this.#acting.delete(job))
      .then(() => {
        this.#status.textContent = 'Done.';
      });
    this.#guarded(work.finally(() => this.#refresh()));
  }
}

/** Where the money of a job goes, when, and what a person can do about it. */
function nextOf(
  { refundAt, submitted, failed }: WalletJob,
  now: number,
): { readonly words: string; readonly actions: readonly (readonly [JobAction, string])[] } {
  const span = (until: number): string => `in ${Math.ceil((until - now) / 1_000)} s`;
  if (submitted === null) {
    if (now >= refundAt)
      return {
        words: 'No answer was submitted in time: all of it is yours again.',
        actions: [['refund', 'Take it back']],
      };
    return { words: `No answer is submitted yet. You can take it back ${span(refundAt)}.`, actions: [] };
  }
  const payout = sol(BigInt(submitted.payout));
  if (now >= submitted.claimAt)
    return { words: `The provider is due ${payout}; the rest comes back to you.`, actions: [['claim', 'Settle now']] };
  if (failed)
    return {
      words: `A check failed. Unless you reject it, the provider is paid ${payout} ${span(submitted.claimAt)}.`,
      actions: [['reject', 'Reject']],
    };
  return {
    words: `The provider is paid ${payout} ${span(submitted.claimAt)}; the rest comes back.`,
    actions: [['confirm', 'Settle now']],
  };
}
