import type { Home, Role } from '../config.ts';
import { messageOf, QvacError } from '../errors.ts';
import type { ReceiptEntry, StoredReceipt } from '../node/home/receipt-store.ts';
import { byteSize, dateTime, plural, shortPeer, table } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { printable, printableText } from '../terminal/printable.ts';
import { defineCommand, defineSubcommand, option, wholeNumber } from './parts/definition.ts';

const roles = ['client', 'router', 'provider'] as const satisfies readonly Role[];
const roleWords = { client: 'asked', router: 'routed', provider: 'served' } as const satisfies Record<Role, string>;

interface RoleEntry extends ReceiptEntry {
  readonly role: Role;
}

async function storesOf(home: Home) {
  const { createReceiptStore } = await import('../node/home/receipt-store.ts');
  return roles.map((role) => ({ role, store: createReceiptStore(home.receiptsOf[role]) }));
}

/**
 * The receipt whose id begins with `prefix`: of an answer that was got here, else one that was routed or served.
 * @throws QvacError as `ReceiptStore.get`
 */
export async function findReceipt(home: Home, prefix: string): Promise<StoredReceipt & { readonly role: Role }> {
  let missing: unknown;
  for (const { role, store } of await storesOf(home)) {
    try {
      return { ...(await store.get(prefix)), role };
    } catch (error) {
      if (!(error instanceof QvacError) || error.code !== 'E_NOT_FOUND') throw error;
      missing ??= error;
    }
  }
  throw missing;
}

/** One line of the list, or why its file cannot be read. */
async function describeEntry(entry: RoleEntry) {
  const [{ readReceipt }, { readFileIfAny }, { summarise, resultWords }] = await Promise.all([
    import('../node/home/receipt-store.ts'),
    import('../lib/files.ts'),
    import('../terminal/receipt-summary.ts'),
  ]);
  const base = { id: entry.id, role: entry.role, path: entry.path, savedAt: entry.savedAt };
  try {
    const { askedAt, provider, model, tokens, verdicts } = summarise(
      readReceipt((await readFileIfAny(entry.path)) ?? new Uint8Array(), entry.path),
    );
    const verdict = verdicts.at(-1) ?? null;
    const cells = [
      dateTime(askedAt),
      roleWords[entry.role],
      shortPeer(provider),
      model.slice(0, 8),
      String(tokens),
      verdict === null ? '-' : resultWords(verdict),
    ];
    return { value: { ...base, askedAt, provider, model, tokens, verdict }, cells };
  } catch (error) {
    const reason = messageOf(error);
    return {
      value: { ...base, error: reason },
      cells: [dateTime(entry.savedAt), roleWords[entry.role], '-', '-', '-', `damaged, ${byteSize(entry.bytes)}`],
    };
  }
}

const ls = defineSubcommand({
  summary: 'the receipts kept here, newest first',
  description:
    'Lists the receipts kept here, newest first: what was asked, and what this home routed or served for others. CHECKED is what the last verdict in the receipt says; qvac verify checks it anew. With --json: {receipts: [{id, role, path, savedAt, askedAt, provider, model, tokens, verdict}]}.',
  options: { last: option('--last <n>', 'only the newest n', wholeNumber(1, 1_000_000)) },
  examples: [
    { line: 'qvac receipts ls', what: 'all of them' },
    { line: 'qvac receipts ls --last 10 --json', what: 'the newest ten, for programs' },
  ],
  async action({ config, options, output }) {
    const lists = await Promise.all(
      (await storesOf(config.home)).map(async ({ role, store }) =>
        (await store.list()).map((entry) => ({ ...entry, role })),
      ),
    );
    const entries = lists.flat().sort((a, b) => b.savedAt - a.savedAt);
    const described = [];
    for (const entry of entries.slice(0, options.last)) described.push(await describeEntry(entry));
    const rows = described.map(({ value, cells }) => [value.id.slice(0, 8), ...cells]);
    output.result(
      { receipts: described.map(({ value }) => value) },
      rows.length === 0 ? [] : table(['ID', 'ASKED', 'ROLE', 'PROVIDER', 'MODEL', 'TOKENS', 'CHECKED'], rows),
    );
    if (rows.length === 0) output.say('no receipts yet; qvac ask makes the first');
  },
});

const show = defineSubcommand({
  summary: 'one receipt: question, answer, who, and how it was checked',
  description:
    'Shows what a receipt says: question, answer, who answered, the verdicts in it, and what became of the money as far as this home knows. It checks nothing; qvac verify does. With --json: {id, role, path, provider, client, model, askedAt, mode, promptTokens, tokens, finish, opened, payment: {locked, settlement: {state, paid, refunded, burnt, compensation, dueAt} or null} or null, verdicts, input, text}, lamports as text.',
  arguments: [{ name: '<receipt>', description: 'its id, or the beginning of it' }],
  examples: [{ line: 'qvac receipts show 9f3a', what: 'the receipt whose id begins with 9f3a' }],
  async action({ args, config, output }) {
    const { receipt, path, role } = await findReceipt(config.home, args[0] ?? '');
    const { summarise, moneyWords } = await import('../terminal/receipt-summary.ts');
    const summary = summarise(receipt);
    output.result({ ...summary, role, path }, lines(summary, { path, role, money: moneyWords(summary) }, output));
  },
});

const dayMs = 24 * 3_600_000;

/** The receipts named one by one, or those of others that were last written before `olderThanDays` days ago. */
async function chosenForRemoval(
  home: Home,
  prefixes: readonly string[],
  olderThanDays: number | undefined,
): Promise<readonly RoleEntry[]> {
  if (olderThanDays === undefined) return Promise.all(prefixes.map((prefix) => findReceipt(home, prefix)));
  const limit = Date.now() - olderThanDays * dayMs;
  const ofOthers = (await storesOf(home)).filter(({ role }) => role !== 'client');
  const lists = await Promise.all(
    ofOthers.map(async ({ role, store }) => (await store.list()).map((entry) => ({ ...entry, role }))),
  );
  return lists.flat().filter(({ savedAt }) => savedAt < limit);
}

const rm = defineSubcommand({
  summary: 'remove receipts: some, or all old ones of what was done for others',
  description:
    'Removes the receipts named. With --older-than instead those of answers that this home served or routed for others, which hold their questions; your own stay. What is gone cannot be checked again, and nobody can be shown by it what a provider did. With --json: {removed: [id]}.',
  arguments: [{ name: '[receipt...]', description: 'its id, or the beginning of it' }],
  options: {
    olderThan: option(
      '--older-than <days>',
      'all that was served or routed for others, and is older',
      wholeNumber(1, 36_500),
    ),
  },
  examples: [
    { line: 'qvac receipts rm 9f3a', what: 'the one whose id begins with 9f3a' },
    { line: 'qvac receipts rm --older-than 30', what: "other people's questions, after a month" },
  ],
  async action({ args, config, options, output }) {
    const { olderThan } = options;
    if ((args.length === 0) === (olderThan === undefined))
      throw new QvacError('E_USAGE', 'name receipts, or an age: one of the two', {
        hint: 'qvac receipts ls; qvac receipts rm --older-than 30',
      });
    const chosen = await chosenForRemoval(config.home, args, olderThan);
    const stores = new Map((await storesOf(config.home)).map(({ role, store }) => [role, store]));
    for (const { role, id } of chosen) await stores.get(role)?.remove(id);
    output.result({ removed: chosen.map(({ id }) => id) }, []);
    output.say(`removed ${plural(chosen.length, 'receipt')}`);
  },
});

type Summary = ReturnType<typeof import('../terminal/receipt-summary.ts').summarise>;

function lines(
  summary: Summary,
  { path, role, money }: { readonly path: string; readonly role: Role; readonly money: string | null },
  output: Output,
): readonly string[] {
  const heading = (text: string): string => output.style('bold', text, 'stdout');
  return [
    `receipt   ${summary.id}`,
    `file      ${path} (${roleWords[role]})`,
    `asked     ${dateTime(summary.askedAt)}`,
    `provider  ${summary.provider}`,
    `client    ${summary.client}`,
    `model     ${summary.model}`,
    `tokens    ${plural(summary.promptTokens, 'token')} asked, ${plural(summary.tokens, 'token')} answered, finish ${summary.finish}, mode ${summary.mode}`,
    ...(money === null ? [] : [`money     ${money}`]),
    `opened    ${plural(summary.opened, 'step')}`,
    ...summary.verdicts.map(
      ({ verifier, result, tier, faults }) =>
        `verdict   ${result} (${tier}${faults.length === 0 ? '' : `: ${faults.join(', ')}`}) by ${verifier}`,
    ),
    '',
    ...(summary.input === null
      ? [heading('The question is not in the receipt.')]
      : summary.input.messages.flatMap(({ role: speaker, content }) => [
          heading(printable(speaker)),
          ...printableText(content).split('\n'),
        ])),
    heading('answer'),
    ...printableText(summary.text).split('\n'),
  ];
}

export const command = defineCommand({
  description:
    'A receipt holds everything about one answer that is needed to check it again, by anyone, offline. Receipts are files in the home, readable by you only.',
  examples: [
    { line: 'qvac receipts ls', what: 'list them' },
    { line: 'qvac receipts show 9f3a', what: 'show one' },
    { line: 'qvac receipts rm --older-than 30', what: "let go of other people's questions" },
  ],
  subcommands: { ls, show, rm },
});
