import { messageOf } from '../../errors.ts';
import { chainWords } from '../chains.ts';
import { isSameDemand } from '../demand.ts';
import { h } from '../dom.ts';
import { sol } from '../labels.ts';
import { isChannelPurpose, isObjection, type Purpose } from '../purpose.ts';
import { objectionTo, type SignatureRequest, signatureRequests } from '../signature-requests.ts';
import { readTransaction } from '../transaction.ts';
import { wallets } from '../wallet.ts';
import type { WalletChannel } from '../wallet-api.ts';
import { openReceipt } from './receipt-view.ts';
import { type RequestText, sourceOf, textOf } from './signing-texts.ts';

/** Where a transaction that the wallet signs counts, and what the network takes; nothing if it cannot be read. */
function transactionFacts({ transaction, chain }: SignatureRequest): RequestText['facts'] {
  const read = transaction === null ? null : readTransaction(transaction);
  if (read === null) return [];
  const { base, priority } = read.fee;
  const more = priority === 0n ? '' : `, of which priority fee ${sol(priority)}`;
  return [
    ['Chain', chainWords(chain)],
    ['Program', read.program],
    ['Network fee', `${sol(base + priority)}${more}`],
  ];
}

/** The channel that a purpose is about, as the gateway knows it now. */
function channelOf(purpose: Purpose): WalletChannel | null {
  if (!('channel' in purpose)) return null;
  return wallets.overview?.channels.find(({ channel }) => channel === purpose.channel) ?? null;
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
      // The gateway may have built it again, or another tab answered it. What asks for something else is shown again.
      const now = signatureRequests.pending.get(this.#open.request.key);
      if (now === undefined || !isSameDemand(now, this.#open.request)) this.#open.dialog.close();
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
    const isPayment =
      !isChannelPurpose(request.purpose) || ['channel_open', 'channel_top_up'].includes(request.purpose.kind);
    const words =
      request.deadline !== null
        ? 'A check failed. Without your signature the provider is paid.'
        : `${isPayment ? 'A payment' : 'The end of a channel'} waits for your decision.`;
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
    const { purpose, transaction } = request;
    const { title, line, facts, yes, no } = textOf(purpose, transaction === null, channelOf(purpose));
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
    const failed = 'job' in purpose && isObjection(purpose) ? purpose.job : null;
    const receipt =
      failed === null
        ? null
        : h('button', { type: 'button', class: 'quiet', click: () => void openReceipt(failed) }, 'What failed?');
    const source = transaction === null ? null : h('p', { class: 'hint' }, wrong === null ? sourceOf(purpose) : '');
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
          ...[...facts, ...transactionFacts(request)].flatMap(([name, value]) => [
            h('dt', {}, name),
            h('dd', {}, value),
          ]),
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
    // The button to sign what is wrong stays disabled.
    const buttons = dialog.querySelectorAll<HTMLButtonElement>('.row button:enabled');
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
      place.textContent = timeLeft(request);
    }
  }
}

function timeLeft({ purpose, deadline, expiresAt }: SignatureRequest): string {
  const seconds = Math.max(0, Math.ceil(((deadline ?? expiresAt) - Date.now()) / 1_000));
  if (deadline !== null) {
    const left = seconds > 600 ? `${Math.floor(seconds / 60)} minutes` : `${seconds} seconds`;
    return `${left} left until the provider can be paid.`;
  }
  // Built again when it expires.
  return isObjection(purpose) ? '' : `${seconds} seconds left to decide.`;
}
