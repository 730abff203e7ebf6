import type { Home, Role } from '../config.ts';
import { messageOf, QvacError } from '../errors.ts';
import type { ReceiptEntry } from '../node/home/receipt-store.ts';
import { byteSize, dateTime, plural, shortPeer, table } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable, printableText } from '../terminal/printable.ts';
import { defineCommand, defineSubcommand, option, wholeNumber } from './parts/definition.ts';

const roleWords = { client: 'asked', router: 'routed', provider: 'served' } as const satisfies Record<Role, string>;

interface RoleEntry extends ReceiptEntry {
  readonly role: Role;
}

/** The entries of the stores of some roles, unordered. */
async function entriesOf(home: Home, wanted: (role: Role) => boolean): Promise<readonly RoleEntry[]> {
  const { receiptStoresOf } = await import('../sdk/home.ts');
  const lists = await Promise.all(
    receiptStoresOf(home)
      .filter(({ role }) => wanted(role))
      .map(async ({ role, store }) => (await store.list()).map((entry) => ({ ...entry, role }))),
  );
  return lists.flat();
}

/** One row of the list, or the reason why its file cannot be read. */
async function describeEntry(entry: RoleEntry) {
  const [{ readReceipt }, { readFileIfAny }, { summarise, resultWords }] = await Promise.all([
    import('../node/home/receipt-store.ts'),
    import('../lib/files.ts'),
    import('../terminal/receipt-summary.ts'),
  ]);
  const base = { id: entry.id, role: entry.role, path: entry.path, savedAt: entry.savedAt };
  try {
    const { askedAt, provider, model, mode, tokens, vectors, verdicts } = summarise(
      readReceipt((await readFileIfAny(entry.path)) ?? new Uint8Array(), entry.path),
    );
    const verdict = verdicts.at(-1) ?? null;
    const cells = [
      dateTime(askedAt),
      roleWords[entry.role],
      shortPeer(provider),
      model.slice(0, 8),
      vectors === null ? String(tokens) : plural(vectors, 'vector'),
      `${mode === 'score' ? 'score · ' : ''}${verdict === null ? '-' : resultWords(verdict, vectors)}`,
    ];
    return { value: { ...base, askedAt, provider, model, tokens, vectors, verdict }, cells };
  } catch (error) {
    const reason = messageOf(error);
    return {
      value: { ...base, error: reason },
      cells: [dateTime(entry.savedAt), roleWords[entry.role], '-', '-', '-', `damaged, ${byteSize(entry.bytes)}`],
    };
  }
}

const ls = defineSubcommand({
  summary: 'list the receipts kept here, newest first',
  description: [
    'List the receipts kept here, newest first: of answers to you, and of answers that this home routed or served.',
    'CHECKED shows the last verdict in the receipt; qvac verify checks the receipt again.',
  ].join(' '),
  options: { last: option('--last <n>', 'list only the newest n', wholeNumber(1, 1_000_000)) },
  examples: [
    { line: 'qvac receipts ls', what: 'list all receipts' },
    { line: 'qvac receipts ls --last 10 --json', what: 'print the newest ten as JSON' },
  ],
  async action({ config, options, output }) {
    const entries = (await entriesOf(config.home, () => true)).toSorted((a, b) => b.savedAt - a.savedAt);
    const described = [];
    for (const entry of entries.slice(0, options.last)) described.push(await describeEntry(entry));
    const rows = described.map(({ value, cells }) => [value.id.slice(0, 8), ...cells]);
    output.result(
      { receipts: described.map(({ value }) => value) },
      rows.length === 0 ? [] : table(['ID', 'ASKED', 'ROLE', 'PROVIDER', 'MODEL', 'TOKENS', 'CHECKED'], rows),
    );
    if (rows.length === 0) output.say('no receipts yet; every answer to qvac ask leaves one');
  },
});

const show = defineSubcommand({
  summary: 'show a receipt: question, answer, provider and verdicts',
  description: [
    'Show the content of a receipt: question, answer, provider, verdicts, and the payment as this home knows it.',
    'Of an answer that several providers wrote, its last receipt leads to the others. This checks nothing; qvac verify',
    'does.',
  ].join(' '),
  arguments: [{ name: '<receipt>', description: 'receipt id or its beginning' }],
  examples: [{ line: 'qvac receipts show 9f3a', what: 'show the receipt whose id begins with 9f3a' }],
  async action({ args, config, output }) {
    const [{ findEarlier, findReceipt }, { summarise, moneyWords }] = await Promise.all([
      import('../sdk/home.ts'),
      import('../terminal/receipt-summary.ts'),
    ]);
    const { receipt, path, role } = await findReceipt(config.home, args[0] ?? '');
    const summary = summarise(receipt);
    const { parts } = await findEarlier(config.home, receipt);
    const earlier = parts.map((part) => ({
      id: part.id,
      provider: part.provider,
      tokens: part.tokens,
      signed: part.receipt.tokens.length,
      text: part.receipt.text,
    }));
    output.result(
      { ...summary, earlier, role, path },
      lines(summary, { path, role, money: moneyWords(summary), earlier }, output),
    );
  },
});

const dayMs = 24 * 3_600_000;

/** The receipts named by `prefixes`, or those of served and routed answers that are older than `olderThanDays`. */
async function chosenForRemoval(
  home: Home,
  prefixes: readonly string[],
  olderThanDays: number | undefined,
): Promise<readonly RoleEntry[]> {
  if (olderThanDays === undefined) {
    const { findReceipt } = await import('../sdk/home.ts');
    return Promise.all(prefixes.map((prefix) => findReceipt(home, prefix)));
  }
  const limit = Date.now() - olderThanDays * dayMs;
  return (await entriesOf(home, (role) => role !== 'client')).filter(({ savedAt }) => savedAt < limit);
}

const rm = defineSubcommand({
  summary: 'remove receipts by id, or old ones of served answers',
  description: [
    'Remove the receipts named, or with --older-than the old receipts of answers that this home served or routed,',
    'which hold other people’s questions. Your own receipts stay.',
    'A removed receipt can no longer be checked, or prove what a provider did.',
  ].join(' '),
  arguments: [{ name: '[receipt...]', description: 'receipt id or its beginning' }],
  options: {
    olderThan: option(
      '--older-than <days>',
      'remove older receipts of answers served or routed',
      wholeNumber(1, 36_500),
    ),
  },
  examples: [
    { line: 'qvac receipts rm 9f3a', what: 'remove the receipt whose id begins with 9f3a' },
    { line: 'qvac receipts rm --older-than 30', what: "remove other people's questions after 30 days" },
  ],
  async action({ args, config, options, output }) {
    const { olderThan } = options;
    if ((args.length === 0) === (olderThan === undefined))
      throw new QvacError('E_USAGE', 'expected either receipt ids or --older-than', {
        hint: 'qvac receipts ls; qvac receipts rm --older-than 30',
      });
    const chosen = await chosenForRemoval(config.home, args, olderThan);
    const { receiptStoresOf } = await import('../sdk/home.ts');
    const stores = new Map(receiptStoresOf(config.home).map(({ role, store }) => [role, store]));
    for (const { role, id } of chosen) await stores.get(role)?.remove(id);
    output.result({ removed: chosen.map(({ id }) => id) }, []);
    output.say(`removed ${plural(chosen.length, 'receipt')}`);
  },
});

type Summary = ReturnType<typeof import('../terminal/receipt-summary.ts').summarise>;

interface ShownReceipt {
  readonly path: string;
  readonly role: Role;
  readonly money: string | null;
  /** The parts of the answer before it whose receipts are here; `signed` of the tokens are under a head. */
  readonly earlier: readonly {
    readonly id: string;
    readonly provider: string;
    readonly tokens: number;
    readonly signed: number;
    readonly text: string;
  }[];
}

/** Who wrote the tokens before this job, as far as it is known. */
function beforeLines({ start, previous }: Summary, earlier: ShownReceipt['earlier']): readonly string[] {
  if (start === 0) return [];
  const unknown = earlier.reduce((left, { tokens }) => left - tokens, start);
  const noReceipt = previous === null ? '' : ', whose receipt is not here';
  return [
    ...(unknown === 0 ? [] : [`before    ${plural(unknown, 'token')} of another job${noReceipt}`]),
    ...earlier.map(({ id, provider, tokens }) => `before    ${plural(tokens, 'token')} by ${provider}, receipt ${id}`),
  ];
}

function amountWords({ promptTokens, tokens, vectors, finish, mode }: Summary): string {
  return vectors === null
    ? `${promptTokens} in, ${tokens} out, finish ${finish}, mode ${mode}`
    : `${promptTokens} in, ${plural(vectors, 'vector')} out, finish ${finish}`;
}

function answerLines({ start, text }: Summary, heading: (text: string) => string): readonly string[] {
  return [heading(start === 0 ? 'answer' : `answer, from token ${start}`), ...printableText(text).split('\n')];
}

function lines(summary: Summary, { path, role, money, earlier }: ShownReceipt, output: Output): readonly string[] {
  const heading = (text: string): string => output.style('bold', text, 'stdout');
  return [
    `receipt   ${summary.id}`,
    `file      ${path} (${roleWords[role]})`,
    `asked     ${dateTime(summary.askedAt)}`,
    `provider  ${summary.provider}`,
    `client    ${summary.client}`,
    `model     ${summary.model}`,
    ...beforeLines(summary, earlier),
    `tokens    ${amountWords(summary)}`,
    ...(money === null ? [] : [`money     ${money}`]),
    `opened    ${plural(summary.opened, summary.vectors === null ? 'step' : 'vector')}`,
    ...summary.verdicts.map(
      ({ verifier, result, tier, faults, referees }) =>
        `verdict   ${result} (${tier}${faults.length === 0 ? '' : `: ${faults.join(', ')}`}) by ${verifier}` +
        (referees.length === 0 ? '' : `, on the scores ${referees.map((job) => job.slice(0, 8)).join(', ')}`),
    ),
    '',
    ...(summary.input === null
      ? [heading('The question is not in the receipt.')]
      : summary.input.messages.flatMap(({ role: speaker, content }) => [
          heading(printable(speaker)),
          ...printableText(content).split('\n'),
        ])),
    ...earlier.flatMap(({ id, provider, text, signed }) => [
      heading(`${plural(signed, 'token')} by ${provider}, receipt ${id.slice(0, 8)}`),
      ...printableText(text).split('\n'),
    ]),
    ...(summary.vectors === null ? answerLines(summary, heading) : []),
  ];
}

export const command = defineCommand({
  description: [
    'Manage receipts. A receipt holds everything that anyone needs to check one answer again, offline.',
    'Receipts are files in the home, readable by you only.',
  ].join(' '),
  examples: [
    { line: 'qvac receipts ls', what: 'list the receipts' },
    { line: 'qvac receipts show 9f3a', what: 'show one' },
    { line: 'qvac receipts rm --older-than 30', what: "remove other people's questions after 30 days" },
  ],
  subcommands: { ls, show, rm },
});
