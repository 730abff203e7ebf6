import { messageOf } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import { getReceiptFile, getReport, type ReceiptReport } from '../api.ts';
import { h } from '../dom.ts';
import { checkLabels, costLabel, faultOf, plural, shortId, statusLabels, when } from '../labels.ts';
import { merkleView } from './merkle-view.ts';

type Outcome = ReceiptReport['checks'][number]['result'];

const marks: Readonly<Record<Outcome, readonly [mark: string, tone: string, word: string]>> = {
  pass: ['✓', 'good', 'passed'],
  fail: ['✗', 'bad', 'failed'],
  skipped: ['–', 'open', 'not made'],
  inconclusive: ['?', 'open', 'inconclusive'],
};

/** How often an open dialog looks for a receipt that is not written yet, ms. */
const lookMs = 500;

/** Opens the receipt in a dialog. Escape or the button closes it; the focus returns to the previous element. */
export async function openReceipt(id: string): Promise<void> {
  const opener = document.activeElement;
  const close = h('button', { class: 'quiet', type: 'button', click: () => dialog.close() }, 'Close');
  const body = h(
    'div',
    { class: 'receipt-body', tabindex: 0, 'aria-live': 'polite' },
    h('p', {}, 'Loading the receipt…'),
  );
  const dialog = h(
    'dialog',
    {
      class: 'receipt',
      'aria-labelledby': 'receipt-title',
      close: () => {
        dialog.remove();
        // A later verdict replaces the line that opened the dialog.
        if (opener?.isConnected !== true) document.querySelector<HTMLElement>(`[data-receipt="${id}"]`)?.focus();
      },
    },
    h('header', {}, h('h2', { id: 'receipt-title' }, 'Receipt'), close),
    body,
  );
  document.body.append(dialog);
  dialog.showModal();
  try {
    let report = await getReport(id);
    if (report === null) body.replaceChildren(h('p', {}, 'The answer is being verified; its receipt follows…'));
    for (; report === null && dialog.open; report = await getReport(id))
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    if (report !== null) body.replaceChildren(...reportParts(report));
  } catch (error) {
    const words = notFound(error) ? 'There is no receipt of this answer.' : messageOf(error);
    body.replaceChildren(h('p', { class: 'bad' }, words));
  }
}

function notFound(error: unknown): boolean {
  return error instanceof Error && 'status' in error && error.status === 404;
}

function reportParts(report: ReceiptReport): readonly Node[] {
  const words = statusLabels[report.verified];
  const by = report.referees.length === 0 ? '' : ` by ${plural(report.referees.length, 'referee')}`;
  return [
    h(
      'p',
      { class: `verdict ${words.tone}` },
      h('strong', {}, `${words.mark} ${words.short}${by}`),
      ` · ${words.long}`,
      by === '' ? '' : ' Your secret drew the referees, and each signed its numbers before it saw any other.',
    ),
    ...faults(report),
    facts(report),
    h('h3', {}, 'What was checked'),
    h('ul', { class: 'checks' }, ...checksOf(report).map(checkItem)),
    ...openedSteps(report),
    ...keeping(report),
  ];
}

function faults({ verdicts }: ReceiptReport): readonly Node[] {
  const codes = [...new Set(verdicts.flatMap((verdict) => verdict.faults))];
  return codes.flatMap((code) => {
    const fault = faultOf(code);
    return fault === null
      ? []
      : [
          h(
            'div',
            { class: 'fault' },
            h('p', {}, h('strong', {}, 'Shown: '), `${fault.shown} (${code}).`),
            h('p', {}, h('strong', {}, 'Not shown: '), `${fault.notShown}.`),
          ),
        ];
  });
}

function facts(report: ReceiptReport): HTMLElement {
  const rows: readonly FactRow[] = [
    ...writers(report),
    ...routersOf(report).map((router) => ['Checked by', router] as const),
    ...refereeRows(report),
    ['Asked', when(report.askedAt)],
    ['Model file (SHA-256)', report.model],
    ...work(report),
    ['Paid', costLabel(report)],
    ['Receipt', report.id],
  ];
  return h('dl', {}, ...rows.flatMap(([name, ...values]) => [h('dt', {}, name), h('dd', {}, ...values)]));
}

/** What was computed: an answer, or vectors. */
function work({ vectors, promptTokens, start, tokens, sampler }: ReceiptReport): readonly FactRow[] {
  const prompt = plural(promptTokens, 'token');
  if (vectors !== null) return [['Vectors', `one for each of ${plural(vectors, 'text')}, ${prompt} in all`]];
  return [
    ['Tokens', `${prompt} in the prompt, ${plural(start + tokens, 'token')} in the answer`],
    ['Temperature', String(sampler.temperature / 100)],
  ];
}

type FactRow = readonly [name: string, ...values: readonly (string | Node)[]];

/** Opens another receipt in the place of this one. */
function receiptLink(id: string): HTMLElement {
  const open = (): void => {
    link.closest('dialog')?.close();
    void openReceipt(id);
  };
  const link = h('button', { type: 'button', class: 'link', click: open }, `receipt ${shortId(id)}`);
  return link;
}

/** Who recomputed it, in the order of the draw, each with its score job and its price. */
function refereeRows({ referees }: ReceiptReport): readonly FactRow[] {
  return referees.map(({ peer, job, payment }) => {
    const price = payment === null ? '' : `, ${costLabel({ payment })}`;
    return peer === null
      ? (['Referee', `the score job ${job}, whose receipt is not here`] as const)
      : (['Referee', `${peer}${price}, `, receiptLink(job)] as const);
  });
}

/** The providers, in the order in which they wrote. */
function writers({ provider, earlier, start, tokens, vectors }: ReceiptReport): readonly FactRow[] {
  const unknown = earlier.reduce((left, { tokens }) => left - tokens, start);
  return [
    ...(unknown === 0 ? [] : [['Begun by', `a provider that signed none of its ${plural(unknown, 'token')}`] as const]),
    ...earlier.map(
      (part, at): FactRow => [
        at === 0 && unknown === 0 ? 'Begun by' : 'Continued by',
        `${part.provider}, ${plural(part.tokens, 'token')}, `,
        receiptLink(part.id),
      ],
    ),
    start === 0
      ? [vectors === null ? 'Answered by' : 'Embedded by', provider]
      : ['Continued by', `${provider}, ${plural(tokens, 'token')}`],
  ];
}

interface CheckRow {
  readonly name: string;
  readonly result: Outcome;
  readonly detail: string;
}

/** The checks that the gateway just ran again; for those that need the model, the signed verdict. */
function checksOf({ checks, verdicts, referees }: ReceiptReport): readonly CheckRow[] {
  const verdict = verdicts.at(-1);
  if (verdict === undefined) return checks;
  const through = referees.length === 0 ? '' : `, from the numbers of ${plural(referees.length, 'referee')}`;
  const by = `as ${shortPeer(verdict.verifier)} signed for this answer${through}`;
  const atLeastText = verdict.result !== 'fail' && ['text', 'exact', 'statistical'].includes(verdict.tier);
  return checks.flatMap((check): readonly CheckRow[] => {
    if (check.name === 'prompt' && check.result === 'skipped' && atLeastText)
      return [{ ...check, result: 'pass', detail: by }];
    if (check.name !== 'execution' || check.result !== 'skipped') return [check];
    const result: Outcome = verdict.result === 'pass' ? 'pass' : verdict.result === 'fail' ? 'fail' : 'inconclusive';
    if (verdict.tier === 'exact') return [{ ...check, result, detail: by }];
    if (verdict.tier === 'statistical') return ['distribution', 'draws'].map((name) => ({ name, result, detail: by }));
    return [check];
  });
}

function checkItem({ name, result, detail }: CheckRow): HTMLElement {
  const [mark, tone, word] = marks[result];
  const { title, asks } = checkLabels[name] ?? { title: name, asks: '' };
  return h(
    'li',
    { class: tone },
    h('span', { class: 'mark', 'aria-hidden': true }, mark),
    h('div', {}, h('strong', {}, title), ` · ${word}`, h('p', {}, asks), h('p', { class: 'hint' }, detail)),
  );
}

/** Verifiers other than the person's own node. */
function routersOf({ verdicts, client }: ReceiptReport): readonly string[] {
  return [...new Set(verdicts.map(({ verifier }) => verifier))].filter((verifier) => verifier !== client);
}

function openedSteps({ id, steps, tokens, root }: ReceiptReport): readonly Node[] {
  const [first] = steps;
  if (first === undefined) return [];
  const shown = h('div', {}, merkleView(id, first, tokens, root));
  const select = h(
    'select',
    {
      id: 'opened-step',
      change: () => {
        const step = steps[select.selectedIndex];
        if (step !== undefined) shown.replaceChildren(merkleView(id, step, tokens, root));
      },
    },
    ...steps.map(({ i }) => h('option', {}, `step ${i} of ${tokens}`)),
  );
  return [
    h('h3', {}, 'An opened step'),
    h(
      'p',
      {},
      `The provider signed one hash over all ${plural(tokens, 'step')} before it knew which ${steps.length} your ` +
        'secret would select. This is the path from one of them to that hash.',
    ),
    h('div', { class: 'field' }, h('label', { for: 'opened-step' }, 'Step'), select),
    shown,
  ];
}

/** Saves the receipt as a file that anyone can check without this gateway. */
function keeping({ id }: ReceiptReport): readonly Node[] {
  const name = `receipt-${id.slice(0, 12)}.json`;
  const problem = h('p', { class: 'error', role: 'alert' });
  const save = async (): Promise<void> => {
    const url = URL.createObjectURL(await getReceiptFile(id));
    h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  const button = h(
    'button',
    {
      type: 'button',
      click: () => void save().catch((error: unknown) => (problem.textContent = messageOf(error))),
    },
    'Save the receipt',
  );
  return [
    h('h3', {}, 'Keep it'),
    h(
      'p',
      {},
      'Anyone can check the file on any machine, without this gateway: ',
      h('code', {}, `qvac verify ${name}`),
    ),
    h('p', {}, button),
    problem,
  ];
}
