import { h } from '../dom.ts';
import { sol } from '../words.ts';
import { wallets, type Purpose, type SignatureRequest } from '../wallet.ts';

interface Words {
  readonly title: string;
  readonly lines: readonly string[];
  readonly facts: readonly (readonly [string, string])[];
  readonly yes: string;
  readonly no: string;
  /** Until when it makes a difference, unix ms. */
  readonly deadline: number | null;
}

function wordsOf(purpose: Purpose): Words {
  switch (purpose.kind) {
    case 'job_create':
      return {
        title: 'Sign to pay',
        lines: ['This locks the most that the answer can cost. What it does not cost comes back, and nothing is paid where no answer comes.'],
        facts: [['Amount', `at most ${sol(BigInt(purpose.amount))}`], ['Paid to', purpose.payee], ['For the node', purpose.provider]],
        yes: 'Sign in the wallet',
        no: 'Do not pay',
        deadline: null,
      };
    case 'job_reject':
      return {
        title: 'A check failed: sign to reject',
        lines: [`Without your signature the provider is paid ${sol(BigInt(purpose.burnt))}. With it nobody gets that part, you neither; it was no honest work.`],
        facts: [['Comes back to you', sol(BigInt(purpose.refunded))], ['Goes to nobody', sol(BigInt(purpose.burnt))], ['Not paid to', purpose.payee]],
        yes: 'Reject in the wallet',
        no: 'Let it be paid',
        deadline: purpose.deadline,
      };
    case 'job_slash':
      return {
        title: 'The provider broke a rule: sign to take your money back',
        lines: ['The chain itself can check this fault. All of your money comes back, and as much again from the provider’s stake.'],
        facts: [['Comes back to you', sol(BigInt(purpose.refunded))], ['Taken from', purpose.payee]],
        yes: 'Sign in the wallet',
        no: 'Let it be paid',
        deadline: purpose.deadline,
      };
  }
}

/** Asks for one signature: amount and payee in plain words, before the wallet is opened. */
export function askToSign(request: SignatureRequest): void {
  const { title, lines, facts, yes, no, deadline } = wordsOf(request.purpose);
  const problem = h('p', { class: 'error', role: 'alert' });
  const left = h('p', { role: 'timer' });
  const sign = h('button', { type: 'button', class: 'primary', click: () => void attempt() }, yes);
  const refuse = h('button', { type: 'button', class: 'quiet', click: () => void wallets.refuse(request).catch(() => undefined).then(() => dialog.close()) }, no);
  const dialog = h(
    'dialog',
    { class: 'signing', 'aria-labelledby': 'signing-title', close: () => dialog.remove(), cancel: (event) => event.preventDefault() },
    h('header', {}, h('h2', { id: 'signing-title' }, title)),
    h('div', { class: 'signing-body' }, ...lines.map((line) => h('p', {}, line)), h('dl', {}, ...facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])), left, problem, h('div', { class: 'row' }, sign, refuse)),
  );
  async function attempt(): Promise<void> {
    sign.disabled = true;
    problem.textContent = '';
    try {
      await wallets.sign(request);
      dialog.close();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      sign.disabled = false;
    }
  }
  const tick = (): void => {
    if (!dialog.isConnected) return;
    const until = deadline === null ? request.expiresAt : Math.min(deadline, request.expiresAt);
    const seconds = Math.ceil((until - Date.now()) / 1_000);
    if (seconds <= 0) {
      dialog.close();
      return;
    }
    left.textContent = deadline === null ? `${seconds} seconds left to sign.` : `${Math.max(0, Math.ceil((deadline - Date.now()) / 1_000))} seconds left until the provider can be paid.`;
    setTimeout(tick, 500);
  };
  document.body.append(dialog);
  dialog.showModal();
  tick();
}
