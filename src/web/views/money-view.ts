import { messageOf } from '../../errors.ts';
import { GatewayError } from '../api.ts';
import { dataTable, field, h, replace } from '../dom.ts';
import { shortId, shortPeer, sol, when } from '../labels.ts';
import { market } from '../market.ts';
import { store } from '../store.ts';
import { type StandardWallet, wallets } from '../wallet.ts';
import { actOnJob, getWallet, type JobAction, ownWallet, type WalletJob, type WalletOverview } from '../wallet-api.ts';
import { openReceipt } from './receipt-view.ts';

/** The wallet that pays (this browser's or the gateway's own), its balance, and the money it has locked. */
export class MoneyView {
  readonly element: HTMLElement;
  readonly #body = h('div', {});
  readonly #own = h('div', {});
  readonly #problem = h('p', { class: 'error', role: 'alert' });
  readonly #status = h('p', { class: 'visually-hidden', role: 'status' });
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Jobs with an action in progress. */
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
        store.changeSettings({ maxPrice: limit.value });
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
        'This page never signs a payment above it. Empty or 0 uses free providers only. You pay providers ' +
          'directly; through a router, the router pays.',
      ),
      this.#own,
    );
    store.onChange(() => {
      if (limit !== document.activeElement) limit.value = store.settings.maxPrice;
    });
    wallets.onChange(() => this.#fill());
    this.#fill();
  }

  show(): void {
    this.#guarded(this.#refresh());
    clearInterval(this.#timer);
    // Refreshes while visible: deadlines pass, and others settle jobs.
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

  /** Opens the gateway's own wallet only if it may pay: opening it may start a chain. */
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
        'No wallet was found in this browser. Free providers answer without one. To pay yourself, install a Solana ' +
        'wallet such as Phantom and reload this page.';
      replace(
        this.#body,
        h(
          'p',
          {},
          found.length === 0
            ? none
            : 'Connect a wallet to pay yourself, with one signature per question. The keys stay in the wallet.',
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
        h('dt', {}, 'Balance'),
        h('dd', {}, overview === null ? '…' : sol(BigInt(overview.balance))),
        h('dt', {}, 'Chain'),
        h('dd', {}, overview?.walletChain ?? '…'),
      ),
      unfit === null ? null : h('p', { class: 'error' }, unfit),
      h(
        'div',
        { class: 'row' },
        h('button', { type: 'button', id: 'refresh-wallet', click: () => this.#guarded(this.#refresh()) }, 'Refresh'),
        h(
          'button',
          { type: 'button', id: 'disconnect', class: 'quiet', click: () => wallets.disconnect() },
          'Disconnect',
        ),
      ),
      h('h3', {}, 'Where your money is'),
      overview === null ? h('p', {}, 'Loading…') : this.#table(overview, account.address, 'Open jobs of your wallet'),
    );
  }

  #connectButton(wallet: StandardWallet): HTMLElement {
    // Only an inline icon is shown; the page loads nothing from elsewhere.
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
      h(
        'p',
        {},
        `It pays up to ${sol(most)} per answer while no wallet is connected here, and asks you before each payment.`,
      ),
      h(
        'dl',
        {},
        h('dt', {}, 'Address'),
        h('dd', {}, overview.address),
        h('dt', {}, 'Balance'),
        h('dd', {}, sol(BigInt(overview.balance))),
      ),
      this.#table(overview, ownWallet, 'Open jobs of the gateway’s wallet'),
    );
  }

  #table({ jobs, now }: WalletOverview, address: string, name: string): HTMLElement {
    if (jobs.length === 0) return h('p', {}, 'Nothing is locked: every answer is settled.');
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

/** What happens to a job's money next, when, and what the person can do. */
function nextOf(
  { refundAt, submitted, failed }: WalletJob,
  now: number,
): { readonly words: string; readonly actions: readonly (readonly [JobAction, string])[] } {
  const span = (until: number): string => `in ${Math.ceil((until - now) / 1_000)} s`;
  if (submitted === null) {
    if (now >= refundAt)
      return {
        words: 'No answer was submitted in time: you can have all of it back.',
        actions: [['refund', 'Refund']],
      };
    return { words: `No answer has been submitted yet. You can get a refund ${span(refundAt)}.`, actions: [] };
  }
  const payout = sol(BigInt(submitted.payout));
  if (now >= submitted.releaseAt)
    return {
      words: `The provider is due ${payout}; the rest is refunded to you.`,
      actions: [['confirm', 'Settle now']],
    };
  if (failed)
    return {
      words: `A check failed. Unless you reject it, the provider is paid ${payout} ${span(submitted.releaseAt)}.`,
      actions: [['reject', 'Reject']],
    };
  return {
    words: `The provider is paid ${payout} ${span(submitted.releaseAt)}; the rest is refunded.`,
    actions: [['confirm', 'Settle now']],
  };
}
