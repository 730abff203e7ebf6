import { QvacError } from '../errors.ts';
import type { Escrow, Executed, JobAccount, JobOutcome } from '../escrow/escrow.ts';
import { toHex } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { dateTime, shortPeer, sol, table } from '../terminal/format.ts';
import { find, jobJson, type Ledger, type LedgerContext, type OpenJob, openLedger } from './jobs/ledger.ts';
import { type CommandContext, defineCommand, defineSubcommand } from './parts/definition.ts';
import { agreeToMainnet, chainSettings, needWallet, openEscrowOf } from './parts/paying.ts';

const ls = defineSubcommand({
  summary: 'jobs whose money is not settled',
  description:
    'Lists the jobs of your wallet whose money is not settled: asked or served, where the money is, what happens next and when, and the command that does it. Settles what earlier processes left, first. With --json: {chain, jobs: [{id, side, state, words, next, nextAt, command, account, client, provider, peer, amount, payout, createdAt, submittedAt}]}, lamports as text.',
  settings: chainSettings,
  examples: [{ line: 'qvac jobs ls', what: 'where your money is' }],
  async action(context) {
    const { output } = context;
    await settleLeft(context);
    const ledger = await openLedger(context);
    const values = await Promise.all(ledger.jobs.map((job) => jobJson(job, ledger.now)));
    const rows = values.map(({ id, side, peer, amount, words: state, createdAt, next, command }) => [
      id.slice(0, 8),
      side,
      shortPeer(peer),
      sol(BigInt(amount)),
      dateTime(createdAt),
      state,
      `${next}${command === null ? '' : `: ${command}`}`,
    ]);
    output.result(
      { chain: ledger.escrow.chain, jobs: values },
      rows.length === 0 ? [] : table(['ID', 'SIDE', 'PROVIDER', 'LOCKED', 'SINCE', 'STATE', 'NEXT'], rows),
    );
    if (rows.length === 0) output.say('no money is under way');
  },
});

/** What processes that crashed or went away meant to do. */
async function settleLeft({
  config,
  output,
  signal,
  logger,
}: LedgerContext & Pick<CommandContext, 'logger'>): Promise<void> {
  const [{ createReceiptStore }, { createEscrowPayments }, { isSettled }, { paymentWords }] = await Promise.all([
    import('../node/home/receipt-store.ts'),
    import('../node/payment/escrow-payments.ts'),
    import('../node/payment/payments.ts'),
    import('../terminal/payment-words.ts'),
  ]);
  const wallet = await needWallet(config);
  const receipts = createReceiptStore(config.home.receipts);
  const payments = createEscrowPayments(
    { openEscrow: (options) => openEscrowOf(config, wallet, options), receipts, logger },
    { dir: config.home.payments.client },
  );
  const left = await (await payments.open({ signal })).resume({ signal });
  for (const { jobId, settlement, rejected } of left) {
    if (!isSettled(settlement)) continue;
    const late = rejected && settlement.paid > 0n ? '; its answer had failed, but was rejected too late' : '';
    output.say(`job ${jobId.slice(0, 8)} is settled: ${paymentWords(settlement)}${late}`);
  }
  await payments.stop();
}

/**
 * How a settled job was settled, which whatever this home kept of it is told, too; null where the chain does not say.
 */
async function outcomeOf(
  { config, logger, signal }: Pick<CommandContext, 'config' | 'logger' | 'signal'>,
  escrow: Escrow,
  job: Pick<JobAccount, 'address' | 'jobId' | 'amount'>,
): Promise<JobOutcome | null> {
  const [{ keepOutcome }, { createReceiptStore }] = await Promise.all([
    import('../node/payment/outcome.ts'),
    import('../node/home/receipt-store.ts'),
  ]);
  return keepOutcome(
    escrow,
    job,
    { stores: Object.values(config.home.receiptsOf).map(createReceiptStore), logger },
    { signal },
  );
}

/** What any role of this home kept of an answer. */
async function receiptIfAny({ home }: CommandContext['config'], id: string): Promise<Receipt | null> {
  const { findReceipt } = await import('./receipts.ts');
  return findReceipt(home, id).then(
    ({ receipt }) => receipt,
    () => null,
  );
}

const show = defineSubcommand({
  summary: 'one job: where its money is, or went',
  description:
    'Shows where the money of one job is, or how it was settled. With --json: as of qvac jobs ls, or {id, account, outcome} of one that is settled.',
  arguments: [
    {
      name: '<job>',
      description:
        'its id, or the beginning of it; of one that is settled the id of its receipt, of anybody’s open one the address of its account',
    },
  ],
  settings: chainSettings,
  examples: [{ line: 'qvac jobs show 9f3a', what: 'the job whose id begins with 9f3a' }],
  async action(context) {
    const { args, config, output, signal } = context;
    const ledger = await openLedger(context);
    const prefix = args[0] ?? '';
    const isOpen =
      !/^[0-9a-f]+$/i.test(prefix) || ledger.jobs.some(({ job }) => toHex(job.jobId).startsWith(prefix.toLowerCase()));
    const open = isOpen ? await find(ledger, prefix, { signal }) : null;
    if (open !== null) {
      const value = await jobJson(open, ledger.now);
      output.result(value, [
        `job       ${value.id}`,
        `${open.side === 'asked' ? 'asked    ' : 'served by'} ${value.peer}`,
        `locked    ${sol(open.job.amount)} since ${dateTime(value.createdAt)}`,
        `state     ${value.words}`,
        `next      ${value.next}`,
        ...(value.command === null ? [] : [`          ${value.command}`]),
      ]);
      return;
    }
    const { findReceipt } = await import('./receipts.ts');
    const [{ decodeOffer }, { addressText }, { fromHex }] = await Promise.all([
      import('../protocol/validate.ts'),
      import('../escrow/addresses.ts'),
      import('../lib/bytes.ts'),
    ]);
    const { id, receipt } = await findReceipt(config.home, prefix).catch((error: unknown) => {
      if (!(error instanceof QvacError) || error.code !== 'E_NOT_FOUND') throw error;
      throw new QvacError('E_NOT_FOUND', `neither an open job nor a receipt here begins with ${prefix}`, {
        hint: 'qvac jobs ls, qvac receipts ls',
        cause: error,
      });
    });
    const { payment } = decodeOffer(receipt.offer.body);
    if (payment === null) throw new QvacError('E_NOT_FOUND', `job ${id.slice(0, 8)} was not paid for`);
    const address = ledger.escrow.jobAddress(payment.payer, fromHex(id));
    const outcome = await outcomeOf(context, ledger.escrow, {
      address,
      jobId: fromHex(id),
      amount: BigInt(payment.amount),
    });
    if (outcome === null) throw new QvacError('E_NOT_FOUND', `the chain knows nothing of job ${id.slice(0, 8)}`);
    output.result({ id, account: addressText(address), outcome: valueOfOutcome(outcome) }, [
      `job       ${id}`,
      `settled   ${outcomeWords(outcome)}${outcome.at === null ? '' : `, ${dateTime(outcome.at)}`}`,
      `          ${outcome.signature}`,
    ]);
  },
});

function valueOfOutcome({ how, paid, refunded, burnt, compensation, reason, signature, at }: JobOutcome) {
  return {
    how,
    paid: paid.toString(),
    refunded: refunded.toString(),
    burnt: burnt.toString(),
    compensation: compensation.toString(),
    reason,
    signature,
    at,
  };
}

function outcomeWords({ how, paid, refunded, burnt, compensation }: JobOutcome): string {
  const parts = [
    [paid, 'to the provider'],
    [refunded, 'back to the client'],
    [compensation, "from the provider's stake to the client"],
    [burnt, 'to nobody'],
  ] as const;
  return `${how}: ${parts
    .filter(([lamports]) => lamports > 0n)
    .map(([lamports, whom]) => `${sol(lamports)} ${whom}`)
    .join(', ')}`;
}

/** Does `act` to the job named first, and says what came of it. */
async function actOn(
  context: LedgerContext & Pick<CommandContext, 'args' | 'logger'>,
  yes: boolean,
  act: (ledger: Ledger, open: OpenJob) => Promise<Executed>,
): Promise<void> {
  const { args, config, output, signal } = context;
  const ledger = await openLedger(context);
  await agreeToMainnet({ config, output, yes, signal }, ledger.escrow);
  const open = await find(ledger, args[0] ?? '', { signal });
  const { signature, fee } = await act(ledger, open);
  const outcome = await outcomeOf(context, ledger.escrow, open.job);
  output.result(
    {
      id: toHex(open.job.jobId),
      signature,
      fee: fee.toString(),
      outcome: outcome === null ? null : valueOfOutcome(outcome),
    },
    [],
  );
  output.say(outcome === null ? 'done' : outcomeWords(outcome));
}

const jobArgument = [{ name: '<job>', description: 'its id, or the beginning of it' }] as const;
const anyJobArgument = [
  { name: '<job>', description: 'its id, or the beginning of it; of anybody’s job the address of its account' },
] as const;

const refund = defineSubcommand({
  summary: 'take the money back, once its time is over',
  description:
    'Takes back the money of a job for which nothing was submitted within ten minutes. Anyone may do it, for anyone: the money goes to whoever locked it. With --json: {id, signature, fee, outcome}.',
  arguments: anyJobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs refund 9f3a', what: 'take it back' }],
  action: (context) => actOn(context, true, ({ escrow }, { job }) => escrow.refundJob(job, { signal: context.signal })),
});

const claim = defineSubcommand({
  summary: 'have a job paid out, once its time is over',
  description:
    'Has a job paid out that was submitted more than five minutes ago and not objected to. Anyone may do it; qvac serve does it by itself. With --json: {id, signature, fee, outcome}.',
  arguments: anyJobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs claim 9f3a', what: 'have it paid out' }],
  action: (context) => actOn(context, true, ({ escrow }, { job }) => escrow.claimJob(job, { signal: context.signal })),
});

const dispute = defineSubcommand({
  summary: 'show the chain what was wrong with an answer',
  description:
    'Objects to a job with what was kept of it, its receipt or the heads that its provider signed. Where a program can see the fraud (another answer submitted than sent, two heads that contradict each other, a token that was not drawn) the provider loses its stake and you get your money and as much again. Where the checks of this machine only say that it failed, it is rejected: nobody gets what it cost. An answer that passes the checks cannot be disputed. With --json: {id, signature, fee, outcome}.',
  arguments: jobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs dispute 9f3a', what: 'object to it' }],
  action: (context) =>
    actOn(context, true, async ({ escrow }, { job }) => {
      const { config, logger, signal } = context;
      const id = toHex(job.jobId) as JobId;
      const { dispute: objectTo, findPendingPayment } = await import('../node/payment/dispute.ts');
      const { client, router } = config.home.payments;
      return objectTo(
        escrow,
        job,
        { note: await findPendingPayment([client, router], id, logger), receipt: await receiptIfAny(config, id) },
        { signal },
      );
    }),
});

export const command = defineCommand({
  description:
    'Where your money is. The price of a paid answer waits in the escrow program until the answer is there: then the provider is paid, at once where the client confirms, else after five minutes; without an answer it goes back after ten.',
  examples: [
    { line: 'qvac jobs ls', what: 'all that is not settled' },
    { line: 'qvac jobs show 9f3a', what: 'one of them' },
  ],
  subcommands: { ls, show, refund, claim, dispute },
});
