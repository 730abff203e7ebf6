import { messageOf } from '../../errors.ts';
import { chainWords } from '../chains.ts';
import { h, replace } from '../dom.ts';
import { GatewayError } from '../gateway-error.ts';
import { sol } from '../labels.ts';
import { market } from '../market.ts';
import { objections } from '../objections.ts';
import { type StandardWallet, wallets } from '../wallet.ts';
import { actOnJob, closeChannel, getWallet, type JobAction, ownWallet, type WalletOverview } from '../wallet-api.ts';
import { moneyLimits } from './money-limits.ts';
import { channelsTable, endedList, jobsTable } from './money-tables.ts';

/** The wallet that pays (this browser's or the gateway's own), its balance, and the money it has locked. */
export class MoneyView {
  readonly element: HTMLElement;
  readonly #body = h('div', {});
  readonly #own = h('div', {});
  readonly #problem = h('p', { class: 'error', role: 'alert' });
  readonly #status = h('p', { class: 'visually-hidden', role: 'status' });
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Jobs and channels with an action in progress. */
  readonly #acting = new Set<string>();
  #ownOverview: WalletOverview | null = null;

  constructor() {
    this.element = h(
      'section',
      { 'aria-labelledby': 'money-title' },
      h('h2', { id: 'money-title' }, 'Money'),
      this.#problem,
      this.#status,
      this.#body,
      ...moneyLimits(),
      this.#own,
    );
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
            : 'Connect a wallet to pay yourself, with a signature for each question or one for many. The keys stay ' +
                'in the wallet.',
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
        h('dd', {}, overview === null ? '…' : chainWords(overview.chain)),
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
      ...(overview === null ? [h('p', {}, 'Loading…')] : this.#tables(overview, account.address, 'your wallet')),
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
      ...this.#tables(overview, ownWallet, 'the gateway’s wallet'),
    );
  }

  /** @param whose the owner of the money */
  #tables(overview: WalletOverview, address: string, whose: string): readonly Node[] {
    const acting = (subject: string): boolean => this.#acting.has(subject);
    const close = (channel: string): void => this.#act(channel, () => closeChannel(address, channel));
    const act = (job: string, action: JobAction): void => this.#act(job, () => actOnJob(address, job, action));
    return [
      channelsTable(overview, `Channels of ${whose}`, { close, acting }),
      jobsTable(overview, `Open jobs of ${whose}`, { act, acting }),
      endedList(overview),
    ].filter((each) => each !== null);
  }

  /** @param subject the job or channel */
  #act(subject: string, act: () => Promise<void>): void {
    objections.reconsider(subject);
    this.#acting.add(subject);
    this.#fill();
    this.#fillOwn();
    const work = act()
      .finally(() => this.#acting.delete(subject))
      .then(() => {
        this.#status.textContent = 'Done.';
      });
    this.#guarded(work.finally(() => this.#refresh()));
  }
}
