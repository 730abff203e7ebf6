import { messageOf } from '../../errors.ts';
import { type Agreement, agreements, objectionTo } from '../agreements.ts';
import { h } from '../dom.ts';
import type { Purpose } from '../purpose.ts';
import { wallets } from '../wallet.ts';
import { shortId, sol } from '../words.ts';
import { openReceipt } from './receipt-view.ts';

interface Words {
  readonly title: string;
  readonly line: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly yes: string;
  readonly no: string;
}

function wordsOf(purpose: Purpose, own: boolean): Words {
  const job = ['Job', shortId(purpose.job)] as const;
  switch (purpose.kind) {
    case 'job_create':
      return {
        title: own ? 'Pay for this answer?' : 'Sign to pay',
        line: `This locks the most that the answer can cost${own ? ', from the gateway’s own wallet' : ''}. What it does not cost comes back, and nothing is paid where no answer comes.`,
        facts: [
          ['Amount', `at most ${sol(BigInt(purpose.amount))}`],
          ['Paid to', purpose.payee],
          ['For the node', purpose.provider],
          job,
        ],
        yes: own ? 'Pay' : 'Sign in the wallet',
        no: 'Do not pay',
      };
    case 'job_reject':
      return {
        title: 'A check failed: sign to reject',
        line: `Without your signature the provider is paid ${sol(BigInt(purpose.burnt))}. With it nobody gets that part, you neither; it was no honest work.`,
        facts: [
          ['Comes back to you', sol(BigInt(purpose.refunded))],
          ['Goes to nobody', sol(BigInt(purpose.burnt))],
          ['Not paid to', purpose.payee],
          job,
        ],
        yes: 'Reject in the wallet',
        no: 'Let it be paid',
      };
    case 'job_slash':
      return {
        title: 'The provider broke a rule: sign to take your money back',
        line: 'The chain itself can check this fault. All of your money comes back, and as much again from the provider’s stake. Without your signature the provider is paid.',
        facts: [['Comes back to you', sol(BigInt(purpose.refunded))], ['Taken from', purpose.payee], job],
        yes: 'Sign in the wallet',
        no: 'Let it be paid',
      };
    case 'job_refund':
      return {
        title: 'Take your money back',
        line: 'No answer was submitted in time. All that was locked comes back.',
        facts: [['Comes back to you', sol(BigInt(purpose.refunded))], job],
        yes: 'Sign in the wallet',
        no: 'Not now',
      };
    case 'job_confirm':
    case 'job_claim':
      return {
        title: 'Settle now',
        line: 'The provider is paid what the answer cost, and the rest comes back to you.',
        facts: [
          ['Paid', sol(BigInt(purpose.paid))],
          ['Paid to', purpose.payee],
          ['Comes back to you', sol(BigInt(purpose.refunded))],
          job,
        ],
        yes: 'Sign in the wallet',
        no: 'Not now',
      };
  }
}

/**
 * Asks for one word of the person at a time, the most urgent first: amount and payee in plain words, before the wallet
 * is opened.
 */
export class SigningView {
  /** What waits and was put off. */
  readonly element = h('div', { class: 'waiting-payments', role: 'status' });
  readonly #later = new Set<string>();
  #open: { readonly dialog: HTMLDialogElement; agreement: Agreement } | null = null;

  constructor() {
    agreements.onChange(() => this.#follow());
    wallets.onChange(() => this.#follow());
    setInterval(() => this.#tick(), 500);
  }

  #follow(): void {
    const waiting = [...agreements.pending.values()].toSorted(
      (a, b) => (a.deadline ?? a.expiresAt) - (b.deadline ?? b.expiresAt),
    );
    for (const key of this.#later) if (!agreements.pending.has(key)) this.#later.delete(key);
    if (this.#open !== null) {
      // It may have been made anew meanwhile, or answered in another tab.
      const now = agreements.pending.get(this.#open.agreement.key);
      if (now === undefined) this.#open.dialog.close();
      else this.#open.agreement = now;
    }
    // What a transaction should be is not known before the wallet was looked at.
    const next = waiting.find(
      ({ key, transaction }) => !this.#later.has(key) && (transaction === null || wallets.overview !== null),
    );
    if (this.#open === null && next !== undefined) this.#show(next);
    const put = waiting.filter(({ key }) => this.#later.has(key)).map((each) => this.#reminder(each));
    if (put.length !== this.element.childElementCount) this.element.replaceChildren(...put);
  }

  #reminder(agreement: Agreement): HTMLElement {
    const words =
      agreement.deadline === null
        ? 'A payment waits for your word.'
        : 'A check failed. Without your signature the provider is paid.';
    return h(
      'p',
      {},
      h('span', {}, `${words} `, h('span', { 'data-until': agreement.key })),
      h(
        'button',
        {
          type: 'button',
          class: 'primary',
          click: () => {
            this.#later.delete(agreement.key);
            this.#follow();
          },
        },
        'Decide',
      ),
    );
  }

  #show(agreement: Agreement): void {
    const { purpose, transaction, deadline } = agreement;
    const { title, line, facts, yes, no } = wordsOf(purpose, transaction === null);
    const problem = h('p', { class: 'error', role: 'alert' });
    const wrong = objectionTo(agreement);
    const sign = h(
      'button',
      {
        type: 'button',
        class: 'primary',
        disabled: wrong !== null,
        click: () => void this.#answer(problem, dialog, (now) => agreements.agree(now)),
      },
      yes,
    );
    const refuse = h(
      'button',
      { type: 'button', click: () => void this.#answer(problem, dialog, (now) => agreements.refuse(now)) },
      no,
    );
    const receipt =
      deadline === null
        ? null
        : h('button', { type: 'button', class: 'quiet', click: () => void openReceipt(purpose.job) }, 'What failed?');
    const source =
      transaction === null
        ? null
        : h(
            'p',
            { class: 'hint' },
            wrong === null
              ? `${purpose.kind === 'job_create' ? 'Amount, payee and job were' : 'What it does, payee and job were'} read from the transaction that your wallet gets, in this browser.`
              : '',
          );
    const dialog = h(
      'dialog',
      {
        class: 'signing',
        'aria-labelledby': 'signing-title',
        'aria-describedby': 'signing-line',
        close: () => this.#closed(dialog),
        cancel: () => void this.#later.add(agreement.key),
      },
      h('header', {}, h('h2', { id: 'signing-title', tabindex: -1 }, title)),
      h(
        'div',
        { class: 'signing-body' },
        h('p', { id: 'signing-line' }, line),
        h('dl', {}, ...facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
        source,
        h('p', { role: 'timer', class: 'timer', 'data-until': agreement.key }),
        problem,
        h('div', { class: 'row' }, sign, refuse, receipt),
      ),
    );
    if (wrong !== null) problem.textContent = wrong;
    document.body.append(dialog);
    this.#open = { dialog, agreement };
    dialog.showModal();
    // The title first: whoever presses Enter without reading must not have paid.
    dialog.querySelector('h2')?.focus();
    this.#tick();
  }

  async #answer(
    problem: HTMLElement,
    dialog: HTMLDialogElement,
    run: (agreement: Agreement) => Promise<void>,
  ): Promise<void> {
    if (this.#open?.dialog !== dialog) return;
    const buttons = dialog.querySelectorAll<HTMLButtonElement>('.row button');
    for (const button of buttons) button.disabled = true;
    problem.textContent = '';
    try {
      await run(this.#open.agreement);
      dialog.close();
    } catch (error) {
      problem.textContent = messageOf(error);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  #closed(dialog: HTMLDialogElement): void {
    dialog.remove();
    this.#open = null;
    void wallets.refresh().catch(() => undefined);
    // In the next turn: what was just put off or answered is noted by then.
    setTimeout(() => this.#follow());
  }

  /** The seconds that are left, wherever they stand. */
  #tick(): void {
    for (const place of document.querySelectorAll<HTMLElement>('[data-until]')) {
      const agreement = agreements.pending.get(place.dataset.until ?? '');
      if (agreement === undefined) continue;
      const { deadline, expiresAt } = agreement;
      const seconds = Math.max(0, Math.ceil(((deadline ?? expiresAt) - Date.now()) / 1_000));
      place.textContent =
        deadline === null
          ? `${seconds} seconds left to decide.`
          : `${seconds} seconds left until the provider can be paid.`;
    }
  }
}
