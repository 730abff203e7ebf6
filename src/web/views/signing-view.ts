import { messageOf } from '../../errors.ts';
import { h } from '../dom.ts';
import { shortId, sol } from '../labels.ts';
import type { Purpose } from '../purpose.ts';
import { objectionTo, type SignatureRequest, signatureRequests } from '../signature-requests.ts';
import { decodeTransaction } from '../transaction.ts';
import { wallets } from '../wallet.ts';
import { openReceipt } from './receipt-view.ts';

interface RequestText {
  readonly title: string;
  readonly line: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly yes: string;
  readonly no: string;
}

function textOf(purpose: Purpose, own: boolean): RequestText {
  const job = ['Job', shortId(purpose.job)] as const;
  switch (purpose.kind) {
    case 'job_create':
      return {
        title: own ? 'Pay for this answer?' : 'Sign to pay',
        line:
          `This locks the answer’s highest possible price${own ? ', from the gateway’s own wallet' : ''}. The ` +
          'unused part is refunded; without an answer, everything is.',
        facts: [
          ['Amount', `at most ${sol(BigInt(purpose.amount))}`],
          ['Paid to', purpose.payee],
          ['Provider node', purpose.provider],
          job,
        ],
        yes: own ? 'Pay' : 'Sign with the wallet',
        no: 'Do not pay',
      };
    case 'job_reject':
      return {
        title: 'A check failed: sign to reject',
        line:
          `Without your signature the provider is paid ${sol(BigInt(purpose.burnt))}. With it, that part is ` +
          'burnt, and you get the rest back.',
        facts: [
          ['Refunded to you', sol(BigInt(purpose.refunded))],
          ['Burnt', sol(BigInt(purpose.burnt))],
          ['Not paid to', purpose.payee],
          job,
        ],
        yes: 'Sign the rejection',
        no: 'Let the provider be paid',
      };
    case 'job_slash':
      return {
        title: 'The provider broke a rule: sign to get your money back',
        line:
          'The chain can check this fault itself. You get all of your money back, and the price of the answer ' +
          'from the provider’s stake. Without your signature the provider is paid.',
        facts: [['Refunded to you', sol(BigInt(purpose.refunded))], ['Taken from', purpose.payee], job],
        yes: 'Sign with the wallet',
        no: 'Let the provider be paid',
      };
    case 'job_refund':
      return {
        title: 'Get a refund',
        line: 'No answer was submitted in time. Everything that was locked is refunded.',
        facts: [['Refunded to you', sol(BigInt(purpose.refunded))], job],
        yes: 'Sign with the wallet',
        no: 'Not now',
      };
    case 'job_confirm':
      return {
        title: 'Settle now',
        line: 'The provider is paid the price of the answer, and the rest is refunded to you.',
        facts: [
          ['Paid', sol(BigInt(purpose.paid))],
          ['Paid to', purpose.payee],
          ['Refunded to you', sol(BigInt(purpose.refunded))],
          job,
        ],
        yes: 'Sign with the wallet',
        no: 'Not now',
      };
  }
}

/** What the network takes for a transaction that the wallet signs; nothing if it cannot be read. */
function feeFacts(transaction: Uint8Array | null): RequestText['facts'] {
  if (transaction === null) return [];
  try {
    const { base, priority } = decodeTransaction(transaction).fee;
    const more = priority === 0n ? '' : `, of which priority fee ${sol(priority)}`;
    return [['Network fee', `${sol(base + priority)}${more}`]];
  } catch {
    return [];
  }
}

/** Shows one request at a time, the most urgent first: amount and payee, before the wallet opens. */
export class SigningView {
  /** Reminders of postponed requests. */
  readonly element = h('div', { class: 'waiting-payments', role: 'status' });
  readonly #later = new Set<string>();
  #open: { readonly dialog: HTMLDialogElement; request: SignatureRequest } | null = null;

  constructor() {
    signatureRequests.onChange(() => this.#follow());
    wallets.onChange(() => this.#follow());
    setInterval(() => this.#tick(), 500);
  }

  #follow(): void {
    const waiting = [...signatureRequests.pending.values()].toSorted(
      (a, b) => (a.deadline ?? a.expiresAt) - (b.deadline ?? b.expiresAt),
    );
    for (const key of this.#later) if (!signatureRequests.pending.has(key)) this.#later.delete(key);
    if (this.#open !== null) {
      // The gateway may have built it again, or another tab answered it.
      const now = signatureRequests.pending.get(this.#open.request.key);
      if (now === undefined) this.#open.dialog.close();
      else this.#open.request = now;
    }
    // A transaction can be checked only once the wallet's overview is loaded.
    const next = waiting.find(
      ({ key, transaction }) => !this.#later.has(key) && (transaction === null || wallets.overview !== null),
    );
    if (this.#open === null && next !== undefined) this.#show(next);
    const put = waiting.filter(({ key }) => this.#later.has(key)).map((each) => this.#reminder(each));
    if (put.length !== this.element.childElementCount) this.element.replaceChildren(...put);
  }

  #reminder(request: SignatureRequest): HTMLElement {
    const words =
      request.deadline === null
        ? 'A payment waits for your decision.'
        : 'A check failed. Without your signature the provider is paid.';
    return h(
      'p',
      {},
      h('span', {}, `${words} `, h('span', { 'data-until': request.key })),
      h(
        'button',
        {
          type: 'button',
          class: 'primary',
          click: () => {
            this.#later.delete(request.key);
            this.#follow();
          },
        },
        'Decide',
      ),
    );
  }

  #show(request: SignatureRequest): void {
    const { purpose, transaction, deadline } = request;
    const { title, line, facts, yes, no } = textOf(purpose, transaction === null);
    const problem = h('p', { class: 'error', role: 'alert' });
    const wrong = objectionTo(request);
    const sign = h(
      'button',
      {
        type: 'button',
        class: 'primary',
        disabled: wrong !== null,
        click: () => void this.#answer(problem, dialog, (now) => signatureRequests.agree(now)),
      },
      yes,
    );
    const refuse = h(
      'button',
      { type: 'button', click: () => void this.#answer(problem, dialog, (now) => signatureRequests.refuse(now)) },
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
              ? `${purpose.kind === 'job_create' ? 'Amount, payee and job were' : 'The action, payee and job were'} ` +
                  'read in this browser from the transaction that your wallet signs.'
              : '',
          );
    const dialog = h(
      'dialog',
      {
        class: 'signing',
        'aria-labelledby': 'signing-title',
        'aria-describedby': 'signing-line',
        close: () => this.#closed(dialog),
        cancel: () => void this.#later.add(request.key),
      },
      h('header', {}, h('h2', { id: 'signing-title', tabindex: -1 }, title)),
      h(
        'div',
        { class: 'signing-body' },
        h('p', { id: 'signing-line' }, line),
        h(
          'dl',
          {},
          ...[...facts, ...feeFacts(transaction)].flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
        ),
        source,
        h('p', { role: 'timer', class: 'timer', 'data-until': request.key }),
        problem,
        h('div', { class: 'row' }, sign, refuse, receipt),
      ),
    );
    if (wrong !== null) problem.textContent = wrong;
    document.body.append(dialog);
    this.#open = { dialog, request };
    dialog.showModal();
    // Focuses the title, so that pressing Enter without reading does not pay.
    dialog.querySelector('h2')?.focus();
    this.#tick();
  }

  async #answer(
    problem: HTMLElement,
    dialog: HTMLDialogElement,
    run: (request: SignatureRequest) => Promise<void>,
  ): Promise<void> {
    if (this.#open?.dialog !== dialog) return;
    const buttons = dialog.querySelectorAll<HTMLButtonElement>('.row button');
    for (const button of buttons) button.disabled = true;
    problem.textContent = '';
    try {
      await run(this.#open.request);
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
    // Deferred until the postponement or the answer is recorded.
    setTimeout(() => this.#follow());
  }

  /** Updates every countdown on the page. */
  #tick(): void {
    for (const place of document.querySelectorAll<HTMLElement>('[data-until]')) {
      const request = signatureRequests.pending.get(place.dataset.until ?? '');
      if (request === undefined) continue;
      const { deadline, expiresAt } = request;
      const seconds = Math.max(0, Math.ceil(((deadline ?? expiresAt) - Date.now()) / 1_000));
      place.textContent =
        deadline === null
          ? `${seconds} seconds left to decide.`
          : `${seconds} seconds left until the provider can be paid.`;
    }
  }
}
