import { QvacError } from '../errors.ts';
import type { JobAccount, JobOutcome } from '../escrow/accounts.ts';
import type { Escrow, Executed } from '../escrow/escrow.ts';
import { toHex } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import type { Settlement } from '../node/payment/payments.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { dateTime, shortPeer, sol, table } from '../terminal/format.ts';
import { find, jobJson, type Ledger, type LedgerContext, type OpenJob, openLedger } from './jobs/ledger.ts';
import { chainSettings } from './parts/chain-settings.ts';
import { type CommandContext, defineCommand, defineSubcommand } from './parts/definition.ts';

const ls = defineSubcommand({
  summary: 'list jobs whose payment is not settled',
  description: [
    'List the jobs of your wallet whose payment is not settled: asked or served, where the money is,',
    'what happens next and when, and the command that does it. Sends nothing to the chain.',
  ].join(' '),
  settings: chainSettings,
  examples: [{ line: 'qvac jobs ls', what: 'show where your money is' }],
  async action(context) {
    const { output } = context;
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
    if (rows.length === 0) output.say('every payment is settled');
  },
});

const settle = defineSubcommand({
  summary: 'settle what earlier processes left open',
  description: [
    'Settle the payments that earlier processes of this home left open, as far as that is possible now:',
    'confirm, reject, refund or pay out. Each costs a transaction fee. Every qvac that asks does this by itself, too.',
  ].join(' '),
  settings: chainSettings,
  examples: [{ line: 'qvac jobs settle', what: 'settle everything that is due' }],
  async action(context) {
    const settled = await settleLeft(context);
    context.output.result({ settled }, []);
    if (settled.length === 0) context.output.say('no payment can be settled now');
  },
});

/** Settles payments that earlier processes left open. @returns the ids of their jobs */
async function settleLeft({
  config,
  output,
  signal,
  logger,
}: LedgerContext & Pick<CommandContext, 'logger'>): Promise<readonly JobId[]> {
  const [
    { createReceiptStore },
    { createEscrowPayments },
    { isSettled },
    { needWallet, openFundedEscrow },
    { paymentWords },
  ] = await Promise.all([
    import('../node/home/receipt-store.ts'),
    import('../node/payment/escrow-payments.ts'),
    import('../node/payment/payments.ts'),
    import('../sdk/payment/escrow.ts'),
    import('../terminal/payment-words.ts'),
  ]);
  const wallet = await needWallet(config);
  const receipts = createReceiptStore(config.home.receipts);
  const payments = createEscrowPayments(
    { openEscrow: (options) => openFundedEscrow(config, wallet, options), receipts, logger },
    { dir: config.home.payments.client },
  );
  const left = await (await payments.open({ signal })).resume({ signal });
  const settled = left.filter(({ settlement }) => isSettled(settlement));
  for (const { jobId, settlement, rejected } of settled) {
    const late = rejected && settlement.paid > 0n ? '; the answer had failed, but was rejected too late' : '';
    output.say(`job ${jobId.slice(0, 8)} is settled: ${paymentWords(settlement)}${late}`);
  }
  await payments.stop();
  return settled.map(({ jobId }) => jobId);
}

/** The outcome of a settled job; `how` is the state that its receipt shows. */
type ShownOutcome = Omit<JobOutcome, 'how'> & { readonly how: Settlement['state'] };

/** The outcome of a settled job, which is also noted in its receipts; null if the chain does not know it. */
async function outcomeOf(
  { config, logger, signal }: Pick<CommandContext, 'config' | 'logger' | 'signal'>,
  escrow: Escrow,
  job: Pick<JobAccount, 'address' | 'jobId' | 'amount'>,
): Promise<ShownOutcome | null> {
  const [{ keepOutcome, settledState }, { receiptStoresOf }] = await Promise.all([
    import('../node/payment/outcome.ts'),
    import('../sdk/home.ts'),
  ]);
  const stores = receiptStoresOf(config.home).map(({ store }) => store);
  const outcome = await keepOutcome(escrow, job, { stores, logger }, { signal });
  return outcome === null ? null : { ...outcome, how: settledState(outcome) };
}

/** The receipt of the job in any role of this home, null if there is none. */
async function receiptIfAny({ home }: CommandContext['config'], id: string): Promise<Receipt | null> {
  const { findReceipt } = await import('../sdk/home.ts');
  return findReceipt(home, id).then(
    ({ receipt }) => receipt,
    () => null,
  );
}

const show = defineSubcommand({
  summary: 'show where the money of one job is, or how it was settled',
  description: 'Show where the money of one job is, or how the job was settled.',
  arguments: [
    {
      name: '<job>',
      description: 'job or receipt id or its beginning, or the address of a job account',
    },
  ],
  settings: chainSettings,
  examples: [{ line: 'qvac jobs show 9f3a', what: 'show the job whose id begins with 9f3a' }],
  async action(context) {
    const { args, output, signal } = context;
    const ledger = await openLedger(context);
    const prefix = args[0] ?? '';
    const isOpen =
      !/^[0-9a-f]+$/i.test(prefix) || ledger.jobs.some(({ job }) => toHex(job.jobId).startsWith(prefix.toLowerCase()));
    const open = isOpen ? await find(ledger, prefix, { signal }) : null;
    if (open === null) return showSettled(context, ledger.escrow, prefix);
    const value = await jobJson(open, ledger.now);
    output.result(value, [
      `job       ${value.id}`,
      `${open.side === 'asked' ? 'asked    ' : 'served by'} ${value.peer}`,
      `locked    ${sol(open.job.amount)} since ${dateTime(value.createdAt)}`,
      `state     ${value.words}`,
      `next      ${value.next}`,
      ...(value.command === null ? [] : [`          ${value.command}`]),
    ]);
  },
});

async function showSettled(
  context: Pick<CommandContext, 'config' | 'logger' | 'output' | 'signal'>,
  escrow: Escrow,
  prefix: string,
): Promise<void> {
  const [{ decodeOffer }, { payFrom }, { addressText }, { fromHex }, { findReceipt }] = await Promise.all([
    import('../protocol/validate.ts'),
    import('../protocol/codes.ts'),
    import('../escrow/addresses.ts'),
    import('../lib/bytes.ts'),
    import('../sdk/home.ts'),
  ]);
  const { id, receipt } = await findReceipt(context.config.home, prefix).catch((error: unknown) => {
    if (!(error instanceof QvacError) || error.code !== 'E_NOT_FOUND') throw error;
    throw new QvacError('E_NOT_FOUND', `no open job and no receipt here begins with ${prefix}`, {
      hint: 'qvac jobs ls, qvac receipts ls',
      cause: error,
    });
  });
  const { payment } = decodeOffer(receipt.offer.body);
  if (payment.pay === payFrom.channel) {
    const channel = toHex(payment.account).slice(0, 8);
    throw new QvacError('E_NOT_FOUND', `job ${id.slice(0, 8)} was paid from channel ${channel}`, {
      hint: `qvac channels show ${channel}, qvac receipts show ${id.slice(0, 8)}`,
    });
  }
  if (payment.pay !== payFrom.jobAccount)
    throw new QvacError('E_NOT_FOUND', `job ${id.slice(0, 8)} was free: it has no payment`);
  const address = escrow.jobAddress(payment.account, fromHex(id));
  const job = { address, jobId: fromHex(id), amount: payment.amountLamports };
  const outcome = await outcomeOf(context, escrow, job);
  if (outcome === null)
    throw new QvacError('E_NOT_FOUND', `job ${id.slice(0, 8)} is not on the chain ${escrow.chain}`, {
      hint: 'name the chain that was paid on with --rpc',
    });
  context.output.result({ id, account: addressText(address), outcome: valueOfOutcome(outcome) }, [
    `job       ${id}`,
    `settled   ${outcomeWords(outcome)}${outcome.at === null ? '' : `, ${dateTime(outcome.at)}`}`,
    `          ${outcome.signature}`,
  ]);
}

function valueOfOutcome({ how, paid, refunded, burnt, compensation, reason, signature, at }: ShownOutcome) {
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

function outcomeWords({ how, paid, refunded, burnt, compensation }: ShownOutcome): string {
  const parts = [
    [paid, 'to the provider'],
    [refunded, 'refunded to the client'],
    [compensation, "from the provider's stake to the client"],
    [burnt, 'burnt'],
  ] as const;
  return `${how}: ${parts
    .filter(([lamports]) => lamports > 0n)
    .map(([lamports, whom]) => `${sol(lamports)} ${whom}`)
    .join(', ')}`;
}

/** Runs `act` on the job that the first argument names and prints the outcome. */
async function actOn(
  context: LedgerContext & Pick<CommandContext, 'args' | 'logger'>,
  act: (ledger: Ledger, open: OpenJob) => Promise<Executed>,
): Promise<void> {
  const { args, config, output, signal } = context;
  const [{ agreeToMainnet, fundPlayWallet }, { mainnetConsent }] = await Promise.all([
    import('../sdk/payment/escrow.ts'),
    import('./parts/consent.ts'),
  ]);
  const ledger = await openLedger(context);
  // The command itself is the consent: it costs a transaction fee.
  await agreeToMainnet(config, ledger.escrow, mainnetConsent(output, { yes: true }), { signal });
  const open = await find(ledger, args[0] ?? '', { signal });
  await fundPlayWallet(config, ledger.escrow, { signal });
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

const jobArgument = [{ name: '<job>', description: 'job id or its beginning' }] as const;
const anyJobArgument = [
  { name: '<job>', description: 'job id or its beginning, or the address of any job account' },
] as const;

const refund = defineSubcommand({
  summary: 'refund a job without a submitted answer, once it is due',
  description: [
    'Refund a job whose provider submitted no answer in the time it had, which qvac jobs show prints.',
    'Anyone may do this; the money returns to its payer.',
  ].join(' '),
  arguments: anyJobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs refund 9f3a', what: 'refund the job whose id begins with 9f3a' }],
  action: (context) => actOn(context, ({ escrow }, { job }) => escrow.refundJob(job, { signal: context.signal })),
});

const claim = defineSubcommand({
  summary: 'pay out a submitted job, once it is due',
  description: [
    'Pay out a submitted job whose time for objections is over: as long as the answer took, at least five minutes.',
    'Anyone may do this; qvac serve does it automatically.',
  ].join(' '),
  arguments: anyJobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs claim 9f3a', what: 'pay out the job whose id begins with 9f3a' }],
  action: (context) => actOn(context, ({ escrow }, { job }) => escrow.confirmJob(job, { signal: context.signal })),
});

const dispute = defineSubcommand({
  summary: 'prove or report a bad answer to the chain',
  description: [
    'Dispute a job with its receipt, or with the heads that the provider signed.',
    'If the program can see the fraud (an answer other than the one sent, two contradicting heads, a token that the',
    'seed does not draw), the provider is slashed: you get your money back, and the price of the answer from its',
    'stake. If only the checks of this machine fail, the job is rejected: its price is burnt and the rest refunded.',
    'An answer that passes its checks cannot be disputed.',
  ].join(' '),
  arguments: jobArgument,
  settings: chainSettings,
  examples: [{ line: 'qvac jobs dispute 9f3a', what: 'dispute the job whose id begins with 9f3a' }],
  action: (context) =>
    actOn(context, async ({ escrow }, { job }) => {
      const { config, logger, signal } = context;
      const id = toHex(job.jobId) as JobId;
      const { dispute: disputeJob, findPendingPayment } = await import('../node/payment/dispute.ts');
      const { client, router } = config.home.payments;
      const pending = await findPendingPayment([client, router], id, logger);
      return disputeJob(escrow, job, { pending, receipt: await receiptIfAny(config, id) }, { signal });
    }),
});

export const command = defineCommand({
  description: [
    'Show where your money is. The price of a paid answer stays in the escrow program until the answer is submitted.',
    'Then the provider is paid for what was acknowledged: at once if the client confirms, else once the time for',
    'objections is over. Without a submitted answer the money can be refunded.',
  ].join(' '),
  examples: [
    { line: 'qvac jobs ls', what: 'list all jobs that are not settled' },
    { line: 'qvac jobs show 9f3a', what: 'show one of them' },
  ],
  subcommands: { ls, show, settle, refund, claim, dispute },
});
